#pragma once

/// The parts of a tokenizer.json, each from its own object. Unknown types give kUnimplemented, wrong fields kDataLoss;
/// both name the field.

#include "runtime/text/tokenizer/decoder.hpp"
#include "runtime/text/tokenizer/json_reader.hpp"
#include "runtime/text/tokenizer/model.hpp"
#include "runtime/text/tokenizer/normalizer.hpp"
#include "runtime/text/tokenizer/pipeline.hpp"
#include "runtime/text/tokenizer/pre_tokenizer.hpp"

namespace gantry::text::tok {

/// Null for a JSON null.
Result<NormalizerPtr> read_normalizer(const JsonReader& json);
Result<PreTokenizerPtr> read_pre_tokenizer(const JsonReader& json);
Result<DecoderPtr> read_decoder(const JsonReader& json);
/// Empty for a JSON null.
Result<SpecialForm> read_post_processor(const JsonReader& json);
Result<ModelPtr> read_model(const JsonReader& json);

/// The member `type`; fails where it is missing.
Result<std::string> read_type(const JsonReader& json);
/// {"String": ...} or {"Regex": ...}.
Result<Regex> read_pattern(const JsonReader& json);
/// The members that the Metaspace pre-tokenizer and decoder share.
struct MetaspaceFields {
    std::string replacement;
    PrependScheme scheme;
};
Result<MetaspaceFields> read_metaspace(const JsonReader& json);

/// Reads the members of `list_key` with `read`; for the components of type Sequence.
template <class Part, class Read>
Result<std::vector<Part>> read_sequence(const JsonReader& json, std::string_view list_key, Read read) {
    GANTRY_TRY(const JsonReader list, json.get(list_key));
    GANTRY_TRY(const auto* items, list.array());
    std::vector<Part> parts;
    for (size_t i = 0; i < items->size(); ++i) {
        GANTRY_TRY(const JsonReader item, list.at(i));
        GANTRY_TRY(Part part, read(item));
        if (!part) return item.error("is null inside a sequence");
        parts.push_back(std::move(part));
    }
    return parts;
}

}  // namespace gantry::text::tok
