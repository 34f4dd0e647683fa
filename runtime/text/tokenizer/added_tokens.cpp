#include "runtime/text/tokenizer/added_tokens.hpp"

#include <algorithm>

namespace gantry::text::tok {
namespace {

bool ends_with_word(std::string_view text) {
    if (text.empty()) return false;
    size_t pos = text.size() - 1;
    while (pos > 0 && (text[pos] & 0xC0) == 0x80) --pos;
    size_t size = 0;
    return is_word(decode_utf8(text, pos, size));
}

bool starts_with_word(std::string_view text) {
    size_t size = 0;
    return !text.empty() && is_word(decode_utf8(text, 0, size));
}

size_t space_at_start(std::string_view text) {
    size_t pos = 0;
    for (size_t size = 0; pos < text.size() && is_white_space(decode_utf8(text, pos, size)); pos += size) {
    }
    return pos;
}

/// Where the white space at the end begins.
size_t space_at_end(std::string_view text) {
    size_t end = text.size();
    while (end > 0) {
        size_t pos = end - 1;
        while (pos > 0 && (text[pos] & 0xC0) == 0x80) --pos;
        size_t size = 0;
        if (!is_white_space(decode_utf8(text, pos, size))) break;
        end = pos;
    }
    return end;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Vocab& vocab, const Normalizer* normalizer) {
    auto next_id = static_cast<int32_t>(vocab.size());
    for (AddedToken& token : tokens) {
        if (token.content.empty()) continue;
        const auto known = find(token.content);
        const auto in_vocab = known ? known : vocab.find(token.content);
        const int32_t id = in_vocab ? *in_vocab : next_id++;
        std::string form = token.content;
        if (token.normalized && normalizer != nullptr) {
            NormalText text{form};
            normalizer->apply(text);
            form = std::move(text.text);
        }
        ids_[token.content] = id;
        if (token.special) special_.insert(token.content);
        id_limit_ = std::max(id_limit_, static_cast<size_t>(id) + 1);
        entries_[id] = {std::move(token), std::move(form)};
    }
    std::vector<std::pair<std::string_view, int32_t>> raw;
    std::vector<std::pair<std::string_view, int32_t>> normalized;
    for (const auto& [id, entry] : entries_) {
        (entry.token.normalized ? normalized : raw).emplace_back(entry.form, id);
    }
    // Equal forms are told apart by id, so that the outcome does not hang on the order of a hash map.
    const auto by_id = [](const auto& a, const auto& b) { return a.second > b.second; };
    std::ranges::sort(raw, by_id);
    std::ranges::sort(normalized, by_id);
    raw_trie_ = Trie(std::move(raw));
    normalized_trie_ = Trie(std::move(normalized));
}

void AddedTokens::split(std::string_view text, bool normalized, bool with_special, std::vector<Part>& out) const {
    const Trie& trie = normalized ? normalized_trie_ : raw_trie_;
    size_t done = 0;
    for (size_t pos = 0; !trie.empty() && pos < text.size();) {
        size_t length = 0;
        int32_t id = 0;
        trie.prefixes(text.substr(pos), [&](size_t l, int32_t value) {
            length = l;
            id = value;
        });
        if (length == 0) {
            ++pos;
            continue;
        }
        size_t begin = pos;
        size_t end = pos + length;
        pos = end;  // a match that does not count is passed over all the same
        const AddedToken& token = entries_.at(id).token;
        if (token.special && !with_special) continue;
        if (token.single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end))))
            continue;
        if (token.lstrip) begin = std::max(space_at_end(text.substr(0, begin)), done);
        if (token.rstrip) end += space_at_start(text.substr(end));
        if (done < begin) out.push_back({done, begin, std::nullopt});
        out.push_back({begin, end, id});
        done = end;
    }
    if (done < text.size()) out.push_back({done, text.size(), std::nullopt});
}

const AddedToken* AddedTokens::by_id(int32_t id) const {
    const auto it = entries_.find(id);
    return it == entries_.end() ? nullptr : &it->second.token;
}

std::string_view AddedTokens::decode_form(int32_t id) const {
    const auto it = entries_.find(id);
    return it == entries_.end() ? std::string_view() : it->second.form;
}

std::optional<int32_t> AddedTokens::find(std::string_view content) const {
    const auto it = ids_.find(std::string(content));
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace gantry::text::tok
