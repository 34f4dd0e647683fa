#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/engine/types.hpp"
#include "runtime/text/output/parser.hpp"

namespace gantry::engine {

/// Between an answer's text and its events: splits the text into content, reasoning and calls, counts the tokens of
/// reasoning and ends it where its budget is used up. Used by one thread.
class AnswerStage {
  public:
    AnswerStage(std::shared_ptr<const text::OutputPlan> plan, const std::string& request_id, uint32_t index);

    /// Where the budget is used up: leaves only the next token of the reasoning's end possible. Returns whether it
    /// changed the row.
    bool steer(std::span<float> logits);
    /// Appends what has become certain, as one delta or several (a delta's parts have an order).
    void add(Delta delta, std::vector<Event>& out);
    /// Appends the rest and the Finish, whose reason becomes kToolCalls where calls ended the answer.
    void finish(FinishReason reason, std::vector<Event>& out);

    /// The one call that was allowed is complete.
    bool done() const { return !plan_->parallel_calls && calls_ended_ > 0; }
    uint64_t reasoning_tokens() const { return reasoning_tokens_; }

  private:
    void put(std::vector<text::OutputPiece> pieces, Delta rest, std::vector<Event>& out);

    std::shared_ptr<const text::OutputPlan> plan_;
    text::OutputParser parser_;
    uint32_t index_;
    uint64_t reasoning_tokens_ = 0;
    uint32_t calls_ended_ = 0;
    size_t forced_ = 0;  ///< tokens of the reasoning's end that were forced
};

}  // namespace gantry::engine
