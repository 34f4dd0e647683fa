// Models of a tokenizer.json.

#include <utility>

#include "runtime/text/tokenizer/json_components.hpp"

namespace gantry::text::tok {
namespace {

std::string_view view(boost::json::string_view s) { return {s.data(), s.size()}; }

/// {"token": id, ...}
Result<Vocab> read_vocab(const JsonReader& json) {
    GANTRY_TRY(const auto* members, json.object());
    size_t bytes = 0;
    for (const auto& member : *members) bytes += member.key().size();
    Vocab vocab;
    vocab.reserve(members->size(), bytes);
    for (const auto& member : *members) {
        const int64_t* id = member.value().if_int64();
        if (id == nullptr || *id < 0 || *id > kMaxTokenId) {
            return json.error("the id of \"" + std::string(view(member.key())) + "\" is not an integer from 0 to " +
                              std::to_string(kMaxTokenId));
        }
        vocab.add(view(member.key()), static_cast<int32_t>(*id));
    }
    return vocab;
}

/// The two tokens of "a b" or ["a", "b"].
std::optional<std::pair<std::string_view, std::string_view>> merge_sides(const boost::json::value& merge) {
    if (const auto* text = merge.if_string()) {
        const std::string_view line = view(*text);
        const size_t space = line.find(' ');
        if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) return std::nullopt;
        return std::pair(line.substr(0, space), line.substr(space + 1));
    }
    const auto* pair = merge.if_array();
    if (pair == nullptr || pair->size() != 2) return std::nullopt;
    const auto* left = (*pair)[0].if_string();
    const auto* right = (*pair)[1].if_string();
    if (left == nullptr || right == nullptr) return std::nullopt;
    return std::pair(view(*left), view(*right));
}

Result<std::vector<Merge>> read_merges(const JsonReader& json, const Vocab& vocab, std::string_view prefix) {
    GANTRY_TRY(const auto* items, json.array());
    std::vector<Merge> merges;
    merges.reserve(items->size());
    std::string joined;
    for (size_t i = 0; i < items->size(); ++i) {
        const auto* text = (*items)[i].if_string();
        if (text != nullptr && view(*text).starts_with("#version")) continue;
        const std::string where = index_text(i);
        const auto sides = merge_sides((*items)[i]);
        if (!sides) return json.error(where + " is not a pair of tokens");
        const auto& [left, right] = *sides;
        if (right.size() < prefix.size()) return json.error(where + " is shorter than continuing_subword_prefix");
        joined.assign(left).append(right.substr(prefix.size()));
        const auto left_id = vocab.find(left);
        const auto right_id = vocab.find(right);
        const auto result = vocab.find(joined);
        if (!left_id || !right_id || !result) {
            const std::string_view missing = !left_id ? left : !right_id ? right : std::string_view(joined);
            return json.error(where + " names \"" + std::string(missing) + "\", which is not in the vocabulary");
        }
        merges.push_back({*left_id, *right_id, *result, static_cast<uint32_t>(merges.size())});
    }
    return merges;
}

/// The id of the token that member `key` names; nothing where it is absent or no token.
Result<std::optional<int32_t>> read_unknown(const JsonReader& json, const Vocab& vocab) {
    GANTRY_TRY(const JsonReader member, json.get("unk_token"));
    if (member.is_null()) return std::optional<int32_t>();
    GANTRY_TRY(const std::string token, member.string());
    return vocab.find(token);
}

Result<ModelPtr> read_bpe(const JsonReader& json) {
    GANTRY_TRY(const JsonReader vocab_json, json.get("vocab"));
    GANTRY_TRY(Vocab vocab, read_vocab(vocab_json));
    BpeOptions options;
    GANTRY_TRY(options.unknown, read_unknown(json, vocab));
    GANTRY_TRY(options.continuing_subword_prefix, json.string_or("continuing_subword_prefix", ""));
    GANTRY_TRY(options.end_of_word_suffix, json.string_or("end_of_word_suffix", ""));
    GANTRY_TRY(options.fuse_unknown, json.boolean_or("fuse_unk", false));
    GANTRY_TRY(options.byte_fallback, json.boolean_or("byte_fallback", false));
    GANTRY_TRY(options.ignore_merges, json.boolean_or("ignore_merges", false));
    GANTRY_TRY(const JsonReader merges_json, json.get("merges"));
    GANTRY_TRY(const auto merges, read_merges(merges_json, vocab, options.continuing_subword_prefix));
    return make_bpe(std::move(vocab), merges, std::move(options));
}

Result<ModelPtr> read_unigram(const JsonReader& json) {
    GANTRY_TRY(const JsonReader vocab_json, json.get("vocab"));
    GANTRY_TRY(const auto* items, vocab_json.array());
    if (items->size() > static_cast<size_t>(kMaxTokenId)) return vocab_json.error("has too many tokens");
    Vocab vocab;
    vocab.reserve(items->size(), items->size() * 8);
    std::vector<double> scores;
    scores.reserve(items->size());
    for (size_t i = 0; i < items->size(); ++i) {
        const auto* pair = (*items)[i].if_array();
        const auto* token = pair != nullptr && pair->size() == 2 ? (*pair)[0].if_string() : nullptr;
        if (token == nullptr || !(*pair)[1].is_number()) {
            return vocab_json.error(index_text(i) + " is not a token and its score");
        }
        vocab.add(view(*token), static_cast<int32_t>(i));
        scores.push_back((*pair)[1].to_number<double>());
    }
    GANTRY_TRY(const JsonReader unknown_json, json.get("unk_id"));
    std::optional<int32_t> unknown;
    if (!unknown_json.is_null()) {
        GANTRY_TRY(unknown, unknown_json.id());
        if (!vocab.has_id(*unknown)) return unknown_json.error("is not in the vocabulary");
    }
    GANTRY_TRY(const bool byte_fallback, json.boolean_or("byte_fallback", false));
    return make_unigram(std::move(vocab), std::move(scores), unknown, byte_fallback);
}

Result<ModelPtr> read_word_piece(const JsonReader& json) {
    GANTRY_TRY(const JsonReader vocab_json, json.get("vocab"));
    GANTRY_TRY(Vocab vocab, read_vocab(vocab_json));
    WordPieceOptions options;
    GANTRY_TRY(options.unknown, read_unknown(json, vocab));
    GANTRY_TRY(options.prefix, json.string_or("continuing_subword_prefix", "##"));
    GANTRY_TRY(const JsonReader most_json, json.get("max_input_chars_per_word"));
    if (!most_json.is_null()) {
        GANTRY_TRY(const int64_t most, most_json.integer());
        if (most < 0) return most_json.error("is negative");
        options.max_characters = static_cast<size_t>(most);
    }
    return make_word_piece(std::move(vocab), std::move(options));
}

Result<ModelPtr> read_word_level(const JsonReader& json) {
    GANTRY_TRY(const JsonReader vocab_json, json.get("vocab"));
    GANTRY_TRY(Vocab vocab, read_vocab(vocab_json));
    GANTRY_TRY(const auto unknown, read_unknown(json, vocab));
    return make_word_level(std::move(vocab), unknown);
}

/// Files from before `type` was written tell their model by its other members.
Result<std::string> model_type(const JsonReader& json) {
    GANTRY_TRY(const JsonReader type, json.get("type"));
    if (!type.is_null()) return type.string();
    GANTRY_TRY(const auto* members, json.object());
    if (members->contains("merges")) return std::string("BPE");
    if (members->contains("max_input_chars_per_word")) return std::string("WordPiece");
    return std::string(members->contains("unk_id") ? "Unigram" : "WordLevel");
}

}  // namespace

Result<ModelPtr> read_model(const JsonReader& json) {
    GANTRY_TRY(const std::string type, model_type(json));
    if (type == "BPE") return read_bpe(json);
    if (type == "Unigram") return read_unigram(json);
    if (type == "WordPiece") return read_word_piece(json);
    if (type == "WordLevel") return read_word_level(json);
    return json.unknown("model type \"" + type + "\" is not known");
}

}  // namespace gantry::text::tok
