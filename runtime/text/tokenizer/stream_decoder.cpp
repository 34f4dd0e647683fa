// Detokenising one token at a time. A token's text may depend on the tokens before it (spaces at the start of a text,
// characters split over tokens), so each push decodes a short window again and returns what the window's text grew by.
// shown_ is the beginning of decode(ids_) that was returned already.

#include <algorithm>

#include "runtime/text/tokenizer.hpp"
#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text {
namespace {

constexpr size_t kLongestWindow = 16;
constexpr size_t kKept = 8;  ///< of a window that grew past the limit

}  // namespace

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

/// The window's text without the U+FFFD that stands for an unfinished character at its end.
std::string StreamDecoder::certain_text(std::span<const int32_t> ids) const {
    std::string text = tokenizer_->decode(ids, skip_special_);
    if (!pending_.empty() && text.ends_with(tok::kReplacement)) {
        text.resize(text.size() - tok::kReplacement.size());
    }
    return text;
}

std::string StreamDecoder::push(int32_t id) {
    const std::string bytes = tokenizer_->token_bytes(id);
    if (bytes.empty()) {
        if (tokenizer_->decode({&id, 1}, skip_special_).empty()) {
            return {};  // skipped, unknown or empty
        }
        pending_.clear();  // a special token that is shown ends what was unfinished
    }
    pending_ += bytes;
    pending_.erase(0, pending_.size() - tok::incomplete_suffix(pending_));
    ids_.push_back(id);
    if (!pending_.empty() && pending_.size() >= bytes.size()) {
        return {};  // nothing but a part of a character, which at most two more tokens can carry on
    }
    std::string text = certain_text(ids_);
    if (!text.starts_with(shown_)) {
        // A byte that fits nowhere spoils, for decode(), the whole run of <0xNN> tokens: what was shown stays shown.
        ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(read_));
        read_ = 0;
        shown_.clear();
        text = certain_text(ids_);
    }
    std::string grown = text.substr(shown_.size());
    shown_ = std::move(text);
    shorten_window();
    return grown;
}

/// Keeps as context the fewest tokens whose text is not empty by itself.
void StreamDecoder::shorten_window() {
    const auto keep = [this](size_t count) {
        std::string text = certain_text(std::span(ids_).last(count));
        if (text.empty()) return false;
        ids_.erase(ids_.begin(), ids_.end() - static_cast<std::ptrdiff_t>(count));
        shown_ = std::move(text);
        return true;
    };
    const std::string last = tokenizer_->token_bytes(ids_.back());
    const bool stands_alone = last.size() != 1 || static_cast<uint8_t>(last.front()) < 0x80;
    const bool kept = (stands_alone && keep(1)) || keep(ids_.size() - read_);
    if (!kept && ids_.size() > kLongestWindow) {
        ids_.erase(ids_.begin(), ids_.end() - static_cast<std::ptrdiff_t>(kKept));
        shown_ = certain_text(ids_);
    }
    read_ = ids_.size();
}

std::string StreamDecoder::flush() {
    std::string text = tokenizer_->decode(ids_, skip_special_);
    if (text.starts_with(shown_)) {
        text.erase(0, shown_.size());
    } else {
        text = tokenizer_->decode(std::span(ids_).subspan(read_), skip_special_);
    }
    ids_.clear();
    shown_.clear();
    pending_.clear();
    read_ = 0;
    return text;
}

}  // namespace gantry::text
