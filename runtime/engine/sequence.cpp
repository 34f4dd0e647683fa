#include "runtime/engine/sequence.hpp"

#include <algorithm>
#include <utility>

namespace gantry::engine {

TokenLogprob describe(SampledToken token, const text::Tokenizer& tokenizer) {
    TokenLogprob entry;
    entry.id = token.id;
    entry.bytes = tokenizer.token_bytes(token.id);
    entry.logprob = token.logprob;
    entry.top = std::move(token.top);
    for (const auto& [id, logprob] : entry.top) {
        entry.top_bytes.push_back(tokenizer.token_bytes(id));
    }
    return entry;
}

Answer::Answer(uint32_t index, const StopRules& rules, std::shared_ptr<const text::Tokenizer> tokenizer,
               std::string lead)
    : index_(index), rules_(rules), tokenizer_(tokenizer), decoder_(std::move(tokenizer)) {
    delta_.index = index;
    delta_.text = std::move(lead);
    if (rules.max_tokens == 0) {
        finish_ = FinishReason::kLength;
    }
}

std::span<const int32_t> Answer::forbidden() const {
    return count_ < rules_.min_tokens ? std::span(rules_.ids) : std::span<const int32_t>{};
}

void Answer::push(SampledToken token) {
    ++count_;
    const int32_t id = token.id;
    if (count_ > rules_.min_tokens && std::ranges::find(rules_.ids, id) != rules_.ids.end()) {
        end(FinishReason::kStop);
        return;
    }
    held_.push_back({std::move(token), shown_ + pending_.size(), std::nullopt});
    add_text(text_of(id));
    if (count_ < rules_.min_tokens) {
        let_out(pending_.size());
    } else if (cut_at_stop_text()) {
        return;
    } else {
        let_out(pending_.size() - held_back());
    }
    if (count_ >= rules_.max_tokens) {
        end(FinishReason::kLength);
    }
}

std::optional<Delta> Answer::take_delta() {
    if (delta_.text.empty() && delta_.ids.empty()) {
        return std::nullopt;
    }
    Delta empty;
    empty.index = index_;
    return std::exchange(delta_, std::move(empty));
}

std::string Answer::text_of(int32_t id) {
    if (!std::ranges::binary_search(rules_.shown_ids, id)) {
        return decoder_.push(id);
    }
    return decoder_.flush() + std::string(tokenizer_->id_to_token(id));
}

void Answer::add_text(std::string_view text) {
    if (text.empty()) {
        return;
    }
    pending_ += text;
    for (Held& held : held_) {
        held.text_end = held.text_end.value_or(shown_ + pending_.size());
    }
}

bool Answer::cut_at_stop_text() {
    size_t cut = std::string::npos;
    const std::string* found = nullptr;
    for (const std::string& stop : rules_.texts) {
        if (const size_t at = pending_.find(stop); at < cut) {
            cut = at;
            found = &stop;
        }
    }
    if (found == nullptr) {
        return false;
    }
    stop_text_ = *found;
    let_out(cut);
    while (!held_.empty() && held_.front().text_begin < shown_) {
        let_out_front_token();
    }
    finish_ = FinishReason::kStop;
    return true;
}

void Answer::end(FinishReason reason) {
    add_text(decoder_.flush());
    if (count_ >= rules_.min_tokens && cut_at_stop_text()) {
        return;
    }
    let_out(pending_.size());
    while (!held_.empty()) {  // tokens without a text of their own
        let_out_front_token();
    }
    finish_ = reason;
}

size_t Answer::held_back() const {
    size_t longest = 0;
    for (const std::string& stop : rules_.texts) {
        for (size_t length = std::min(stop.size() - 1, pending_.size()); length > longest; --length) {
            if (pending_.ends_with(std::string_view(stop).substr(0, length))) {
                longest = length;
            }
        }
    }
    return longest;
}

void Answer::let_out(size_t length) {
    delta_.text.append(pending_, 0, length);
    pending_.erase(0, length);
    shown_ += length;
    while (!held_.empty() && held_.front().text_end && *held_.front().text_end <= shown_) {
        let_out_front_token();
    }
}

void Answer::let_out_front_token() {
    SampledToken token = std::move(held_.front().token);
    held_.pop_front();
    delta_.ids.push_back(token.id);
    if (!rules_.logprobs) {
        return;
    }
    delta_.logprobs.push_back(describe(std::move(token), *tokenizer_));
}

}  // namespace gantry::engine
