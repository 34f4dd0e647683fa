#pragma once

/// One answer from its tokens to the text that a client may see.
///
/// Text is let out when it is certain: whole characters only, and nothing that may turn out to be the beginning of a
/// stop text. Ids and logprobs go out with the delta that completes their token's text, so that they always belong to
/// text that was shown; those of a stop text or an end token never do.

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engine/sampler.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::engine {

/// What ends an answer. Shared by the n answers of a request.
struct StopRules {
    std::vector<std::string> texts;  ///< valid UTF-8, none empty
    std::vector<int32_t> ids;        ///< end tokens and the request's own
    uint32_t min_tokens = 0;         ///< before so many, neither texts nor ids end it
    uint32_t max_tokens = 0;
    bool logprobs = false;
    std::vector<int32_t> shown_ids;  ///< special tokens whose text is to be seen, sorted
};

/// A token's logprobs with the bytes that they are about.
TokenLogprob describe(SampledToken token, const text::Tokenizer& tokenizer);

/// Used by one thread.
class Answer {
  public:
    /// `rules` must outlive it. `lead` comes before the answer's text and is not searched for stop texts. With
    /// max_tokens 0 it is finished at once.
    Answer(uint32_t index, const StopRules& rules, std::shared_ptr<const text::Tokenizer> tokenizer, std::string lead);

    /// Takes the next token of an unfinished answer.
    void push(SampledToken token);
    /// Ends an unfinished answer; text that is held back is dropped.
    void stop(FinishReason reason) { finish_ = reason; }
    /// What became certain since the last call; none if there is nothing to say.
    std::optional<Delta> take_delta();

    uint32_t index() const { return index_; }
    uint32_t tokens() const { return count_; }
    std::optional<FinishReason> finished() const { return finish_; }
    /// The stop text that ended it; empty where something else did.
    const std::string& stop_text() const { return stop_text_; }
    /// Ends an unfinished answer because it is complete.
    void complete() { end(FinishReason::kStop); }
    /// The end tokens that must not be drawn next, because min_tokens has not been reached.
    std::span<const int32_t> forbidden() const;

  private:
    struct Held {
        SampledToken token;
        size_t text_begin = 0;           ///< where its text lies in the whole answer
        std::optional<size_t> text_end;  ///< unknown while its last character is incomplete
    };
    std::string text_of(int32_t id);
    void add_text(std::string_view text);
    /// Ends the answer before the first stop text, if the pending text has one.
    bool cut_at_stop_text();
    void end(FinishReason reason);
    /// Length of the longest end of the pending text that a stop text may begin with.
    size_t held_back() const;
    /// Lets out so much of the pending text, and the tokens whose text is out.
    void let_out(size_t length);
    void let_out_front_token();

    uint32_t index_;
    const StopRules& rules_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    text::StreamDecoder decoder_;
    uint32_t count_ = 0;
    std::optional<FinishReason> finish_;
    std::string stop_text_;
    std::string pending_;  ///< decoded, not let out
    size_t shown_ = 0;     ///< bytes let out so far
    std::deque<Held> held_;
    Delta delta_;
};

}  // namespace gantry::engine
