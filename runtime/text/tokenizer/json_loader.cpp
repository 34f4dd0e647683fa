// tokenizer.json and tokenizer_config.json to a pipeline.

#include <utility>

#include "runtime/text/tokenizer/json_components.hpp"
#include "runtime/text/tokenizer/json_reader.hpp"
#include "runtime/text/tokenizer/pipeline.hpp"

namespace gantry::text::tok {
namespace {

Result<boost::json::value> parse(std::string_view text, const char* name, const boost::json::storage_ptr& storage) {
    boost::system::error_code failure;
    boost::json::stream_parser parser(storage);
    const size_t read = parser.write_some(text.data(), text.size(), failure);
    if (!failure && read == text.size()) parser.finish(failure);
    if (failure || read != text.size()) {
        return Error{Code::kDataLoss,
                     std::string(name) + ": not JSON at byte " + std::to_string(read) +
                         (failure ? ": " + failure.message() : std::string(": something follows the value")),
                     "the file may be damaged; fetch it again"};
    }
    return parser.release();
}

Result<std::vector<AddedToken>> read_added_tokens(const JsonReader& json) {
    std::vector<AddedToken> tokens;
    if (json.is_null()) return tokens;
    GANTRY_TRY(const auto* items, json.array());
    for (size_t i = 0; i < items->size(); ++i) {
        GANTRY_TRY(const JsonReader item, json.at(i));
        GANTRY_TRY(const JsonReader content, item.get("content"));
        AddedToken token;
        GANTRY_TRY(token.content, content.string());
        GANTRY_TRY(token.single_word, item.boolean_or("single_word", false));
        GANTRY_TRY(token.lstrip, item.boolean_or("lstrip", false));
        GANTRY_TRY(token.rstrip, item.boolean_or("rstrip", false));
        GANTRY_TRY(token.special, item.boolean_or("special", false));
        GANTRY_TRY(token.normalized, item.boolean_or("normalized", !token.special));
        tokens.push_back(std::move(token));
    }
    return tokens;
}

/// The id of a token that tokenizer_config.json names, as a text or as an object with `content`.
Result<std::optional<int32_t>> configured_id(const JsonReader& config, std::string_view key,
                                             const PipelineParts& parts) {
    GANTRY_TRY(const JsonReader member, config.get(key));
    if (member.is_null()) return std::optional<int32_t>();
    std::string token;
    if (member.value().is_object()) {
        GANTRY_TRY(const JsonReader content, member.get("content"));
        GANTRY_TRY(token, content.string());
    } else {
        GANTRY_TRY(token, member.string());
    }
    const auto added = parts.added.find(token);
    return added ? added : parts.model->vocab().find(token);
}

Result<std::shared_ptr<const Tokenizer>> load(const registry::TokenizerJson& source) {
    // One arena for the whole document: parsing does not touch the heap token by token.
    boost::json::monotonic_resource arena(source.tokenizer_json.size() * 2 + 4096);
    GANTRY_TRY(const boost::json::value document, parse(source.tokenizer_json, "tokenizer.json", &arena));
    const JsonReader root(document, "tokenizer.json");
    PipelineParts parts;
    GANTRY_TRY(const JsonReader model, root.get("model"));
    GANTRY_TRY(parts.model, read_model(model));
    GANTRY_TRY(const JsonReader normalizer, root.get("normalizer"));
    GANTRY_TRY(parts.normalizer, read_normalizer(normalizer));
    GANTRY_TRY(const JsonReader pre_tokenizer, root.get("pre_tokenizer"));
    GANTRY_TRY(parts.pre_tokenizer, read_pre_tokenizer(pre_tokenizer));
    GANTRY_TRY(const JsonReader decoder, root.get("decoder"));
    GANTRY_TRY(parts.decoder, read_decoder(decoder));
    GANTRY_TRY(const JsonReader post_processor, root.get("post_processor"));
    GANTRY_TRY(parts.special, read_post_processor(post_processor));
    GANTRY_TRY(const JsonReader added, root.get("added_tokens"));
    GANTRY_TRY(std::vector<AddedToken> tokens, read_added_tokens(added));
    parts.added = AddedTokens(std::move(tokens), parts.model->vocab(), parts.normalizer.get());
    if (!source.tokenizer_config_json.empty()) {
        GANTRY_TRY(const boost::json::value config, parse(source.tokenizer_config_json, "tokenizer_config.json", {}));
        const JsonReader config_root(config, "tokenizer_config.json");
        GANTRY_TRY(parts.bos, configured_id(config_root, "bos_token", parts));
        GANTRY_TRY(parts.eos, configured_id(config_root, "eos_token", parts));
    }
    return make_pipeline(std::move(parts));
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_tokenizer_json(const registry::TokenizerJson& source) {
    try {
        return load(source);
    } catch (const std::exception& e) {  // Boost.JSON throws where a document passes its limits
        return Error{Code::kDataLoss, std::string("tokenizer.json: ") + e.what()};
    }
}

}  // namespace gantry::text::tok
