// Decoders and post-processors of a tokenizer.json.

#include <utility>

#include "runtime/text/tokenizer/json_components.hpp"

namespace gantry::text::tok {
namespace {

Result<size_t> read_count(const JsonReader& json, std::string_view key) {
    GANTRY_TRY(const JsonReader member, json.get(key));
    if (member.is_null()) return size_t{0};
    GANTRY_TRY(const int64_t count, member.integer());
    if (count < 0) return member.error("is negative");
    return static_cast<size_t>(count);
}

Result<DecoderPtr> read_strip_decoder(const JsonReader& json) {
    GANTRY_TRY(const JsonReader content_json, json.get("content"));
    GANTRY_TRY(const char32_t content, content_json.character());
    GANTRY_TRY(const size_t start, read_count(json, "start"));
    GANTRY_TRY(const size_t stop, read_count(json, "stop"));
    return make_strip_decoder(content, start, stop);
}

Result<DecoderPtr> read_ctc_decoder(const JsonReader& json) {
    GANTRY_TRY(std::string pad, json.string_or("pad_token", "<pad>"));
    GANTRY_TRY(std::string delimiter, json.string_or("word_delimiter_token", "|"));
    GANTRY_TRY(const bool cleanup, json.boolean_or("cleanup", true));
    return make_ctc_decoder(std::move(pad), std::move(delimiter), cleanup);
}

/// ["[CLS]", 101]
Result<int32_t> read_token_pair(const JsonReader& json, std::string_view key) {
    GANTRY_TRY(const JsonReader pair, json.get(key));
    GANTRY_TRY(const JsonReader id, pair.at(1));
    return id.id();
}

/// A template of one sequence: special tokens, the sequence, special tokens.
Result<Surround> read_template(const JsonReader& json) {
    GANTRY_TRY(const JsonReader pieces, json.get("single"));
    GANTRY_TRY(const auto* items, pieces.array());
    GANTRY_TRY(const JsonReader specials, json.get("special_tokens"));
    Surround surround;
    bool seen = false;
    for (size_t i = 0; i < items->size(); ++i) {
        GANTRY_TRY(const JsonReader piece, pieces.at(i));
        GANTRY_TRY(const JsonReader sequence, piece.get("Sequence"));
        if (!sequence.is_null()) {
            GANTRY_TRY(const std::string which, sequence.string_or("id", "A"));
            if (which != "A" || seen) return piece.unknown("only one sequence, A, is supported in a template");
            seen = true;
            continue;
        }
        GANTRY_TRY(const JsonReader special, piece.get("SpecialToken"));
        GANTRY_TRY(const JsonReader name_json, special.get("id"));
        GANTRY_TRY(const std::string name, name_json.string());
        GANTRY_TRY(const JsonReader definition, specials.get(name));
        GANTRY_TRY(const JsonReader ids, definition.get("ids"));
        GANTRY_TRY(const auto* list, ids.array());
        for (size_t k = 0; k < list->size(); ++k) {
            GANTRY_TRY(const JsonReader id_json, ids.at(k));
            GANTRY_TRY(const int32_t id, id_json.id());
            (seen ? surround.after : surround.before).push_back(id);
        }
    }
    if (!seen) return pieces.unknown("the template has no sequence");
    return surround;
}

Result<Surround> read_processors(const JsonReader& json) {
    GANTRY_TRY(const JsonReader list, json.get("processors"));
    GANTRY_TRY(const auto* items, list.array());
    Surround all;
    for (size_t i = 0; i < items->size(); ++i) {
        GANTRY_TRY(const JsonReader item, list.at(i));
        GANTRY_TRY(Surround outer, read_post_processor(item));
        outer.before.insert(outer.before.end(), all.before.begin(), all.before.end());
        all.after.insert(all.after.end(), outer.after.begin(), outer.after.end());
        all.before = std::move(outer.before);
    }
    return all;
}

}  // namespace

Result<DecoderPtr> read_decoder(const JsonReader& json) {
    if (json.is_null()) return DecoderPtr();
    GANTRY_TRY(const std::string type, read_type(json));
    if (type == "ByteLevel") return make_byte_level_decoder();
    if (type == "ByteFallback") return make_byte_fallback_decoder();
    if (type == "Fuse") return make_fuse_decoder();
    if (type == "Strip") return read_strip_decoder(json);
    if (type == "CTC") return read_ctc_decoder(json);
    if (type == "Metaspace") {
        GANTRY_TRY(MetaspaceFields fields, read_metaspace(json));
        return make_metaspace_decoder(std::move(fields.replacement), fields.scheme);
    }
    if (type == "WordPiece") {
        GANTRY_TRY(std::string prefix, json.string_or("prefix", "##"));
        GANTRY_TRY(const bool cleanup, json.boolean_or("cleanup", true));
        return make_word_piece_decoder(std::move(prefix), cleanup);
    }
    if (type == "BPEDecoder") {
        GANTRY_TRY(std::string suffix, json.string_or("suffix", "</w>"));
        return make_bpe_decoder(std::move(suffix));
    }
    if (type == "Replace") {
        GANTRY_TRY(const JsonReader pattern_json, json.get("pattern"));
        GANTRY_TRY(Regex pattern, read_pattern(pattern_json));
        GANTRY_TRY(const JsonReader content_json, json.get("content"));
        GANTRY_TRY(std::string content, content_json.string());
        return make_replace_decoder(std::move(pattern), std::move(content));
    }
    if (type == "Sequence") {
        GANTRY_TRY(auto parts, read_sequence<DecoderPtr>(json, "decoders", read_decoder));
        return make_decoder_sequence(std::move(parts));
    }
    return json.unknown("decoder type \"" + type + "\" is not known");
}

Result<Surround> read_post_processor(const JsonReader& json) {
    if (json.is_null()) return Surround();
    GANTRY_TRY(const std::string type, read_type(json));
    if (type == "ByteLevel") return Surround();  // only offsets, which nobody asks for here
    if (type == "TemplateProcessing") return read_template(json);
    if (type == "Sequence") return read_processors(json);
    if (type == "BertProcessing" || type == "RobertaProcessing") {
        GANTRY_TRY(const int32_t cls, read_token_pair(json, "cls"));
        GANTRY_TRY(const int32_t sep, read_token_pair(json, "sep"));
        return Surround{{cls}, {sep}};
    }
    return json.unknown("post-processor type \"" + type + "\" is not known");
}

}  // namespace gantry::text::tok
