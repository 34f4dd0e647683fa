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

/// One piece of a template.
struct TemplatePiece {
    bool sequence = false;
    bool second = false;       ///< the sequence is B
    std::vector<int32_t> ids;  ///< of a special token
    int32_t segment = 0;
};

Result<TemplatePiece> read_piece(const JsonReader& piece, const JsonReader& specials) {
    TemplatePiece out;
    GANTRY_TRY(const JsonReader sequence, piece.get("Sequence"));
    GANTRY_TRY(const JsonReader special, piece.get("SpecialToken"));
    const JsonReader& either = sequence.is_null() ? special : sequence;
    GANTRY_TRY(const JsonReader segment, either.get("type_id"));
    if (!segment.is_null()) {
        GANTRY_TRY(out.segment, segment.id());
    }
    if (!sequence.is_null()) {
        GANTRY_TRY(const std::string which, sequence.string_or("id", "A"));
        if (which != "A" && which != "B") return piece.unknown("a template's sequence must be A or B");
        out.sequence = true;
        out.second = which == "B";
        return out;
    }
    GANTRY_TRY(const JsonReader name_json, special.get("id"));
    GANTRY_TRY(const std::string name, name_json.string());
    GANTRY_TRY(const JsonReader definition, specials.get(name));
    GANTRY_TRY(const JsonReader ids, definition.get("ids"));
    GANTRY_TRY(const auto* list, ids.array());
    for (size_t k = 0; k < list->size(); ++k) {
        GANTRY_TRY(const JsonReader id_json, ids.at(k));
        GANTRY_TRY(const int32_t id, id_json.id());
        out.ids.push_back(id);
    }
    return out;
}

/// Special tokens, the sequence, special tokens.
Status read_single(const JsonReader& pieces, const JsonReader& specials, SpecialForm& form) {
    GANTRY_TRY(const auto* items, pieces.array());
    bool seen = false;
    for (size_t i = 0; i < items->size(); ++i) {
        GANTRY_TRY(const JsonReader json, pieces.at(i));
        GANTRY_TRY(const TemplatePiece piece, read_piece(json, specials));
        if (!piece.sequence) {
            std::vector<int32_t>& side = seen ? form.after : form.before;
            side.insert(side.end(), piece.ids.begin(), piece.ids.end());
        } else if (seen || piece.second) {
            return json.unknown("only one sequence, A, is supported in a template");
        } else {
            seen = true;
        }
    }
    return seen ? ok() : Status(pieces.unknown("the template has no sequence"));
}

/// The same with A, then B, and special tokens anywhere. A template of another order is left out: models without pairs
/// have odd ones, and those that need them do not.
Status read_pair(const JsonReader& pieces, const JsonReader& specials, SpecialForm& form) {
    if (pieces.is_null()) return ok();
    GANTRY_TRY(const auto* items, pieces.array());
    SpecialForm read = form;
    size_t sequences = 0;
    for (size_t i = 0; i < items->size(); ++i) {
        GANTRY_TRY(const JsonReader json, pieces.at(i));
        GANTRY_TRY(const TemplatePiece piece, read_piece(json, specials));
        if (piece.sequence) {
            if (sequences == 2 || piece.second != (sequences == 1)) return ok();
            (piece.second ? read.second_segment : read.first_segment) = piece.segment;
            ++sequences;
            continue;
        }
        auto& place = sequences == 0 ? read.pair_before : sequences == 1 ? read.pair_between : read.pair_after;
        for (const int32_t id : piece.ids) place.push_back({id, piece.segment});
    }
    if (sequences == 2) form = std::move(read);
    return ok();
}

Result<SpecialForm> read_template(const JsonReader& json) {
    SpecialForm form;
    GANTRY_TRY(const JsonReader specials, json.get("special_tokens"));
    GANTRY_TRY(const JsonReader single, json.get("single"));
    GANTRY_CHECK_OK(read_single(single, specials, form));
    GANTRY_TRY(const JsonReader pair, json.get("pair"));
    (void)read_pair(pair, specials, form);  // a damaged one is no reason to refuse a model that reads single texts
    return form;
}

/// Each processor works around what the ones before it made.
Result<SpecialForm> read_processors(const JsonReader& json) {
    GANTRY_TRY(const JsonReader list, json.get("processors"));
    GANTRY_TRY(const auto* items, list.array());
    SpecialForm all;
    for (size_t i = 0; i < items->size(); ++i) {
        GANTRY_TRY(const JsonReader item, list.at(i));
        GANTRY_TRY(SpecialForm outer, read_post_processor(item));
        outer.before.insert(outer.before.end(), all.before.begin(), all.before.end());
        all.after.insert(all.after.end(), outer.after.begin(), outer.after.end());
        all.before = std::move(outer.before);
        const bool pairs = !outer.pair_before.empty() || !outer.pair_between.empty() || !outer.pair_after.empty();
        if (pairs) {
            all.pair_before = std::move(outer.pair_before);
            all.pair_between = std::move(outer.pair_between);
            all.pair_after = std::move(outer.pair_after);
            all.first_segment = outer.first_segment;
            all.second_segment = outer.second_segment;
        }
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

Result<SpecialForm> read_post_processor(const JsonReader& json) {
    if (json.is_null()) return SpecialForm();
    GANTRY_TRY(const std::string type, read_type(json));
    if (type == "ByteLevel") return SpecialForm();  // only offsets, which nobody asks for here
    if (type == "TemplateProcessing") return read_template(json);
    if (type == "Sequence") return read_processors(json);
    if (type == "BertProcessing" || type == "RobertaProcessing") {
        GANTRY_TRY(const int32_t cls, read_token_pair(json, "cls"));
        GANTRY_TRY(const int32_t sep, read_token_pair(json, "sep"));
        SpecialForm form;
        form.before = {cls};
        form.after = {sep};
        const bool bert = type == "BertProcessing";
        form.pair_before = {{cls, 0}};
        form.pair_between = {{sep, 0}};
        if (!bert) form.pair_between.push_back({sep, 0});
        form.pair_after = {{sep, bert ? 1 : 0}};
        form.second_segment = bert ? 1 : 0;
        return form;
    }
    return json.unknown("post-processor type \"" + type + "\" is not known");
}

}  // namespace gantry::text::tok
