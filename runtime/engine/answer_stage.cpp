#include "runtime/engine/answer_stage.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace gantry::engine {
namespace {

bool is_empty(const Delta& delta) {
    return delta.text.empty() && delta.reasoning.empty() && delta.tool_calls.empty() && delta.ids.empty() &&
           delta.logprobs.empty();
}

}  // namespace

AnswerStage::AnswerStage(std::shared_ptr<const text::OutputPlan> plan, const std::string& request_id, uint32_t index)
    : plan_(std::move(plan)), parser_(plan_, request_id + "/" + std::to_string(index)), index_(index) {}

bool AnswerStage::steer(std::span<float> logits) {
    const std::vector<int32_t>& end = plan_->reasoning_end_tokens;
    const bool used_up = forced_ > 0 || (plan_->reasoning_budget && parser_.reasoning() &&
                                         reasoning_tokens_ >= *plan_->reasoning_budget);
    if (!used_up || forced_ >= end.size()) {
        return false;
    }
    const auto token = static_cast<size_t>(end[forced_++]);
    if (token < logits.size()) {
        std::ranges::fill(logits, -std::numeric_limits<float>::infinity());
        logits[token] = 0;
    }
    return true;
}

void AnswerStage::add(Delta delta, std::vector<Event>& out) {
    const bool reasons = parser_.reasoning();
    std::vector<text::OutputPiece> pieces;
    parser_.push(delta.text, pieces);
    reasoning_tokens_ += reasons || parser_.reasoning() ? delta.ids.size() : 0;
    delta.text.clear();
    put(std::move(pieces), std::move(delta), out);
}

void AnswerStage::finish(FinishReason reason, std::vector<Event>& out) {
    std::vector<text::OutputPiece> pieces;
    parser_.finish(pieces);
    if (done()) {
        pieces.clear();  // what came behind the one call
    }
    Delta rest;
    rest.index = index_;
    put(std::move(pieces), std::move(rest), out);
    const bool called = reason == FinishReason::kStop && parser_.calls() > 0;
    out.emplace_back(Finish{index_, called ? FinishReason::kToolCalls : reason, parser_.fault()});
}

void AnswerStage::put(std::vector<text::OutputPiece> pieces, Delta rest, std::vector<Event>& out) {
    using Kind = text::OutputPiece::Kind;
    Delta delta;
    delta.index = index_;
    const auto flush = [&] {
        Delta next;
        next.index = index_;
        out.emplace_back(std::exchange(delta, std::move(next)));
    };
    for (text::OutputPiece& piece : pieces) {
        switch (piece.kind) {
            case Kind::kReasoning:
                if (!delta.text.empty() || !delta.tool_calls.empty()) {
                    flush();
                }
                delta.reasoning += piece.text;
                break;
            case Kind::kContent:
                if (!delta.tool_calls.empty()) {
                    flush();
                }
                delta.text += piece.text;
                break;
            case Kind::kToolBegin:
                delta.tool_calls.push_back({piece.call, std::move(piece.id), std::move(piece.name), {}});
                break;
            case Kind::kToolArguments:
                if (delta.tool_calls.empty() || delta.tool_calls.back().call != piece.call) {
                    delta.tool_calls.push_back({piece.call, {}, {}, {}});
                }
                delta.tool_calls.back().arguments += piece.text;
                break;
            case Kind::kToolEnd:
                ++calls_ended_;
                if (done()) {
                    delta.ids = std::move(rest.ids);
                    delta.logprobs = std::move(rest.logprobs);
                    if (!is_empty(delta)) {
                        flush();
                    }
                    return;  // nothing follows the one call
                }
                break;
        }
    }
    delta.ids = std::move(rest.ids);
    delta.logprobs = std::move(rest.logprobs);
    if (!is_empty(delta)) {
        flush();
    }
}

}  // namespace gantry::engine
