#include "runtime/text/tokenizer/json_components.hpp"

#include <array>
#include <utility>

namespace gantry::text::tok {
namespace {

/// Standard base64, with or without padding.
Result<std::string> decode_base64(const JsonReader& json) {
    GANTRY_TRY(const std::string text, json.string());
    std::string out;
    uint32_t bits = 0;
    int held = 0;
    for (const char c : text) {
        if (c == '=') break;
        const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                          : c >= 'a' && c <= 'z' ? c - 'a' + 26
                          : c >= '0' && c <= '9' ? c - '0' + 52
                          : c == '+'             ? 62
                          : c == '/'             ? 63
                                                 : -1;
        if (value < 0) return json.error("is not base64");
        bits = (bits << 6) | static_cast<uint32_t>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out.push_back(static_cast<char>(static_cast<uint8_t>(bits >> held)));
        }
    }
    return out;
}

Result<SplitBehavior> read_behavior(const JsonReader& json) {
    constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kNames{
        {{"Removed", SplitBehavior::kRemoved},
         {"Isolated", SplitBehavior::kIsolated},
         {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
         {"MergedWithNext", SplitBehavior::kMergedWithNext},
         {"Contiguous", SplitBehavior::kContiguous}}};
    GANTRY_TRY(const std::string text, json.string());
    for (const auto& [name, behavior] : kNames) {
        if (text == name) return behavior;
    }
    return json.unknown("split behavior \"" + text + "\" is not known");
}

Result<NormalizerPtr> read_bert_normalizer(const JsonReader& json) {
    BertNormalizerOptions options;
    GANTRY_TRY(options.clean_text, json.boolean_or("clean_text", true));
    GANTRY_TRY(options.handle_chinese_chars, json.boolean_or("handle_chinese_chars", true));
    GANTRY_TRY(options.lowercase, json.boolean_or("lowercase", true));
    GANTRY_TRY(options.strip_accents, json.boolean_or("strip_accents", options.lowercase));
    return make_bert_normalizer(options);
}

Result<PreTokenizerPtr> read_split(const JsonReader& json) {
    GANTRY_TRY(const JsonReader pattern_json, json.get("pattern"));
    GANTRY_TRY(Regex pattern, read_pattern(pattern_json));
    GANTRY_TRY(const JsonReader behavior_json, json.get("behavior"));
    GANTRY_TRY(const SplitBehavior behavior, read_behavior(behavior_json));
    GANTRY_TRY(const bool invert, json.boolean_or("invert", false));
    return make_split(std::move(pattern), behavior, invert);
}

Result<PreTokenizerPtr> read_fixed_length(const JsonReader& json) {
    GANTRY_TRY(const JsonReader length_json, json.get("length"));
    if (length_json.is_null()) return make_fixed_length(5);
    GANTRY_TRY(const int64_t length, length_json.integer());
    if (length <= 0) return length_json.error("is not positive");
    return make_fixed_length(static_cast<size_t>(length));
}

Result<PreTokenizerPtr> read_metaspace_pre_tokenizer(const JsonReader& json) {
    GANTRY_TRY(MetaspaceFields fields, read_metaspace(json));
    GANTRY_TRY(const bool split, json.boolean_or("split", true));
    return make_metaspace(std::move(fields.replacement), fields.scheme, split);
}

}  // namespace

Result<std::string> read_type(const JsonReader& json) {
    GANTRY_TRY(const JsonReader type, json.get("type"));
    return type.string();
}

Result<Regex> read_pattern(const JsonReader& json) {
    GANTRY_TRY(const JsonReader literal, json.get("String"));
    GANTRY_TRY(const JsonReader regex, json.get("Regex"));
    const JsonReader& chosen = literal.is_null() ? regex : literal;
    GANTRY_TRY(const std::string text, chosen.string());
    auto compiled = literal.is_null() ? Regex::compile(text) : Regex::literal(text);
    if (!compiled) return chosen.error(compiled.error().message);
    return compiled;
}

Result<MetaspaceFields> read_metaspace(const JsonReader& json) {
    MetaspaceFields fields{{}, PrependScheme::kAlways};
    GANTRY_TRY(const JsonReader replacement, json.get("replacement"));
    GANTRY_TRY(const char32_t character, replacement.character());
    append_utf8(fields.replacement, character);
    GANTRY_TRY(const std::string scheme, json.string_or("prepend_scheme", "always"));
    GANTRY_TRY(const bool add_prefix_space, json.boolean_or("add_prefix_space", true));
    if (scheme == "never" || !add_prefix_space) {
        fields.scheme = PrependScheme::kNever;
    } else if (scheme == "first") {
        fields.scheme = PrependScheme::kFirst;
    } else if (scheme != "always") {
        return json.unknown("prepend_scheme \"" + scheme + "\" is not known");
    }
    return fields;
}

Result<NormalizerPtr> read_normalizer(const JsonReader& json) {
    if (json.is_null()) return NormalizerPtr();
    GANTRY_TRY(const std::string type, read_type(json));
    if (type == "NFC") return make_unicode_normalizer(NormalForm::kNfc);
    if (type == "NFD") return make_unicode_normalizer(NormalForm::kNfd);
    if (type == "NFKC") return make_unicode_normalizer(NormalForm::kNfkc);
    if (type == "NFKD") return make_unicode_normalizer(NormalForm::kNfkd);
    if (type == "Lowercase") return make_lowercase();
    if (type == "StripAccents") return make_strip_accents();
    if (type == "Nmt") return make_nmt();
    if (type == "ByteLevel") return make_byte_level_normalizer();
    if (type == "BertNormalizer" || type == "Bert") return read_bert_normalizer(json);
    if (type == "Strip") {
        GANTRY_TRY(const bool left, json.boolean_or("strip_left", true));
        GANTRY_TRY(const bool right, json.boolean_or("strip_right", true));
        return make_strip(left, right);
    }
    if (type == "Replace") {
        GANTRY_TRY(const JsonReader pattern_json, json.get("pattern"));
        GANTRY_TRY(Regex pattern, read_pattern(pattern_json));
        GANTRY_TRY(const JsonReader content_json, json.get("content"));
        GANTRY_TRY(std::string content, content_json.string());
        return make_replace(std::move(pattern), std::move(content));
    }
    if (type == "Prepend") {
        GANTRY_TRY(const JsonReader prefix_json, json.get("prepend"));
        GANTRY_TRY(std::string prefix, prefix_json.string());
        return make_prepend(std::move(prefix));
    }
    if (type == "Precompiled") {
        GANTRY_TRY(const JsonReader map_json, json.get("precompiled_charsmap"));
        GANTRY_TRY(std::string map, decode_base64(map_json));
        auto made = make_precompiled(std::move(map));
        if (!made) return map_json.error(made.error().message);
        return made;
    }
    if (type == "Sequence") {
        GANTRY_TRY(auto parts, read_sequence<NormalizerPtr>(json, "normalizers", read_normalizer));
        return make_normalizer_sequence(std::move(parts));
    }
    return json.unknown("normalizer type \"" + type + "\" is not known");
}

Result<PreTokenizerPtr> read_pre_tokenizer(const JsonReader& json) {
    if (json.is_null()) return PreTokenizerPtr();
    GANTRY_TRY(const std::string type, read_type(json));
    if (type == "BertPreTokenizer") return make_bert_pre_tokenizer();
    if (type == "Whitespace") return make_whitespace();
    if (type == "WhitespaceSplit") return make_whitespace_split();
    if (type == "Split") return read_split(json);
    if (type == "FixedLength") return read_fixed_length(json);
    if (type == "Metaspace") return read_metaspace_pre_tokenizer(json);
    if (type == "ByteLevel") {
        GANTRY_TRY(const bool add_prefix_space, json.boolean_or("add_prefix_space", true));
        GANTRY_TRY(const bool use_regex, json.boolean_or("use_regex", true));
        return make_byte_level(add_prefix_space, use_regex);
    }
    if (type == "Digits") {
        GANTRY_TRY(const bool individual, json.boolean_or("individual_digits", false));
        return make_digits(individual);
    }
    if (type == "Punctuation") {
        GANTRY_TRY(const JsonReader behavior_json, json.get("behavior"));
        if (behavior_json.is_null()) return make_punctuation(SplitBehavior::kIsolated);
        GANTRY_TRY(const SplitBehavior behavior, read_behavior(behavior_json));
        return make_punctuation(behavior);
    }
    if (type == "CharDelimiterSplit") {
        GANTRY_TRY(const JsonReader delimiter_json, json.get("delimiter"));
        GANTRY_TRY(const char32_t delimiter, delimiter_json.character());
        return make_char_delimiter_split(delimiter);
    }
    if (type == "Sequence") {
        GANTRY_TRY(auto parts, read_sequence<PreTokenizerPtr>(json, "pretokenizers", read_pre_tokenizer));
        return make_pre_tokenizer_sequence(std::move(parts));
    }
    return json.unknown("pre-tokenizer type \"" + type + "\" is not known");
}

}  // namespace gantry::text::tok
