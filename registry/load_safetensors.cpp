// A Hugging Face model folder: config.json and the files for tokenizer, chat templates and generation beside it.

#include <algorithm>
#include <set>

#include "registry/architectures.hpp"
#include "registry/encoders.hpp"
#include "registry/formats/fault.hpp"
#include "registry/formats/folder.hpp"
#include "registry/formats/json_file.hpp"
#include "registry/loaders.hpp"
#include "registry/sentence_transformers.hpp"

namespace gantry::registry {
namespace {

constexpr uint64_t kMaxTokenizerBytes = 256 << 20;
constexpr uint64_t kMaxTemplateBytes = 4 << 20;

/// A token in tokenizer_config.json or special_tokens_map.json: its text, or an object with `content`.
std::string token_text(const boost::json::value* value) {
    if (value != nullptr && value->is_object()) {
        value = value->get_object().if_contains("content");
    }
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Status refuse_quantized(const JsonFile& config) {
    if (const auto* quantization = config.find("quantization_config")) {
        const auto* method =
            quantization->is_object() ? quantization->get_object().if_contains("quant_method") : nullptr;
        return config.fault("quantization_config",
                            "weights quantised with '" + (method ? printable(token_text(method)) : std::string("?")) +
                                "' are not supported",
                            Code::kUnimplemented, "use the model's BF16 or F16 files, or a GGUF");
    }
    return ok();
}

/// Decoders have one rotary embedding for all layers, but for Gemma 3.
Status refuse_layered_rope(const JsonFile& config) {
    if (const auto* rope = config.find("rope_parameters"); rope != nullptr && rope->is_object()) {
        for (const auto& [name, value] : rope->get_object()) {
            if (value.is_object()) {
                return config.fault("rope_parameters", "differ by layer type, which is not supported",
                                    Code::kUnimplemented);
            }
        }
    }
    return ok();
}

/// `chat_template` of tokenizer_config.json or chat_template.json: a text, or a list of {name, template}.
Status read_template_value(const JsonFile& file, ModelManifest& out) {
    const auto* value = file.find("chat_template");
    if (value == nullptr) {
        return ok();
    }
    if (value->is_string()) {
        out.chat_template = std::string(value->get_string());
        return ok();
    }
    if (!value->is_array()) {
        return file.fault("chat_template", "must be a string or a list of {name, template}");
    }
    for (const auto& element : value->get_array()) {
        const auto* object = element.if_object();
        const auto* name = object == nullptr ? nullptr : object->if_contains("name");
        const auto* text = object == nullptr ? nullptr : object->if_contains("template");
        if (name == nullptr || text == nullptr || !name->is_string() || !text->is_string()) {
            return file.fault("chat_template", "must be a string or a list of {name, template}");
        }
        if (name->get_string() == "default") {
            out.chat_template = std::string(text->get_string());
        } else {
            out.chat_templates[std::string(name->get_string())] = std::string(text->get_string());
        }
    }
    return ok();
}

/// Later sources win, as in transformers: tokenizer_config.json, chat_template.json, *.jinja.
Status read_templates(const std::filesystem::path& folder, const std::optional<JsonFile>& tokenizer_config,
                      ModelManifest& out) {
    if (tokenizer_config) {
        GANTRY_CHECK_OK(read_template_value(*tokenizer_config, out));
    }
    GANTRY_TRY(const auto legacy, read_json_file(folder / "chat_template.json"));
    if (legacy) {
        GANTRY_CHECK_OK(read_template_value(*legacy, out));
    }
    GANTRY_TRY(auto main, read_text_file(folder / "chat_template.jinja", kMaxTemplateBytes));
    if (main) {
        out.chat_template = std::move(*main);
    }
    for (const auto& path : entries_of(folder / "additional_chat_templates")) {
        if (path.extension() == ".jinja") {
            GANTRY_TRY(auto text, read_text_file(path, kMaxTemplateBytes));
            out.chat_templates[path.stem().string()] = std::move(text).value_or("");
        }
    }
    return ok();
}

/// Ids in `eos_token_id`: one or a list.
Status add_eos_ids(const JsonFile& file, std::vector<int32_t>& out) {
    const auto* value = file.find("eos_token_id");
    if (value == nullptr) {
        return ok();
    }
    const auto add = [&](const boost::json::value& id) {
        const bool valid = id.is_int64() && id.get_int64() >= 0 && id.get_int64() <= INT32_MAX;
        if (valid && std::ranges::find(out, static_cast<int32_t>(id.get_int64())) == out.end()) {
            out.push_back(static_cast<int32_t>(id.get_int64()));
        }
        return valid;
    };
    const bool valid = value->is_array() ? std::ranges::all_of(value->get_array(), add) : add(*value);
    return valid ? ok() : Status(file.fault("eos_token_id", "must be a token id or a list of them"));
}

/// The id that tokenizer_config.json gives to an added token.
std::optional<int32_t> added_token_id(const JsonFile& tokenizer_config, std::string_view text) {
    const auto* decoder = tokenizer_config.find("added_tokens_decoder");
    if (decoder == nullptr || !decoder->is_object() || text.empty()) {
        return std::nullopt;
    }
    for (const auto& [id, token] : decoder->get_object()) {
        if (token_text(&token) == text && !id.empty() && id.size() < 10 &&
            id.find_first_not_of("0123456789") == std::string_view::npos) {
            return std::stoi(std::string(id));
        }
    }
    return std::nullopt;
}

Status read_generation(const std::filesystem::path& folder, const JsonFile& config,
                       const std::optional<JsonFile>& tokenizer_config, ModelManifest& out) {
    auto& defaults = out.generation;
    GANTRY_TRY(const auto generation, read_json_file(folder / "generation_config.json"));
    if (generation) {
        const ConfigHyper keys(*generation);
        GANTRY_CHECK_OK(add_eos_ids(*generation, defaults.eos_token_ids));
        GANTRY_TRY(defaults.temperature, keys.number("temperature"));
        GANTRY_TRY(defaults.top_p, keys.number("top_p"));
        GANTRY_TRY(defaults.min_p, keys.number("min_p"));
        GANTRY_TRY(defaults.repetition_penalty, keys.number("repetition_penalty"));
        GANTRY_TRY(defaults.top_k, keys.integer("top_k"));
    }
    if (defaults.eos_token_ids.empty()) {
        GANTRY_CHECK_OK(add_eos_ids(config, defaults.eos_token_ids));
    }
    // Chat models whose config only knows the base model's end: the tokenizer knows the turn's.
    if (tokenizer_config) {
        const auto id = added_token_id(*tokenizer_config, out.eos_token);
        if (id && std::ranges::find(defaults.eos_token_ids, *id) == defaults.eos_token_ids.end()) {
            defaults.eos_token_ids.push_back(*id);
        }
    }
    return ok();
}

Status read_tokenizer(const std::filesystem::path& folder, const JsonFile& config, ModelManifest& out) {
    GANTRY_TRY(auto tokenizer, read_text_file(folder / "tokenizer.json", kMaxTokenizerBytes));
    GANTRY_TRY(const auto tokenizer_config, read_json_file(folder / "tokenizer_config.json"));
    if (tokenizer) {
        out.tokenizer = TokenizerJson{std::move(*tokenizer), tokenizer_config ? tokenizer_config->text : std::string()};
    }
    GANTRY_TRY(const auto special_map, read_json_file(folder / "special_tokens_map.json"));
    const auto special = [&](std::string_view key) {
        std::string text = tokenizer_config ? token_text(tokenizer_config->find(key)) : std::string();
        return text.empty() && special_map ? token_text(special_map->find(key)) : text;
    };
    out.bos_token = special("bos_token");
    out.eos_token = special("eos_token");
    GANTRY_CHECK_OK(read_templates(folder, tokenizer_config, out));
    return read_generation(folder, config, tokenizer_config, out);
}

std::vector<SourceTensor> source_tensors(const SafetensorsModel& model) {
    std::vector<SourceTensor> out;
    for (uint32_t i = 0; i < model.parts.size(); ++i) {
        const auto& part = model.parts[i];
        for (const auto& t : part.tensors) {
            out.push_back({t.name, t.dtype, t.shape, i, t.offset, t.nbytes, t.info_offset, part.origin});
        }
    }
    return out;
}

/// Files of a base model ("Qwen3Model") lack the prefix that the whole model's have.
void name_as_causal_lm(SafetensorsModel& model, const Architecture& architecture) {
    const auto base = architecture.hf_base;
    const auto head =
        std::ranges::find(architecture.global_modules, std::string_view("output"), &ModuleRule::canonical);
    const std::string head_name = std::string(head->hf) + ".weight";
    const auto prefixed = [&](const SafetensorsTensor& t) { return t.name.starts_with(base); };
    for (const auto& part : model.parts) {
        if (std::ranges::any_of(part.tensors, prefixed)) return;
    }
    for (auto& part : model.parts) {
        for (auto& t : part.tensors) {
            if (t.name != head_name) t.name.insert(0, base);
        }
    }
}

}  // namespace

Result<ModelManifest> manifest_from_folder(const std::filesystem::path& folder) {
    GANTRY_TRY(const auto config, read_json_file(folder / "config.json"));
    if (!config) {
        return Error{Code::kNotFound, (folder / "config.json").string() + " is missing",
                     "a model folder holds config.json beside its weights"};
    }
    const ConfigHyper keys(*config);
    GANTRY_TRY(const auto classes, keys.texts("architectures"));
    GANTRY_TRY(const auto model_type, keys.text("model_type"));
    const auto encoder = find_hf_encoder(classes, model_type.value_or("?"));
    const Architecture* decoder = nullptr;
    if (!encoder) {
        GANTRY_TRY(decoder, find_hf_architecture(classes, model_type.value_or("?"), config->path.string()));
    }
    GANTRY_CHECK_OK(refuse_quantized(*config));
    if (decoder != nullptr && decoder->name != "gemma3") {
        GANTRY_CHECK_OK(refuse_layered_rope(*config));
    }
    GANTRY_TRY(auto model, open_safetensors(folder));
    ModelManifest out;
    out.format = "safetensors";
    out.name = display_name(folder);
    if (decoder != nullptr) {
        name_as_causal_lm(model, *decoder);
    }
    const auto tensors = source_tensors(model);
    if (decoder != nullptr) {
        const bool headless =
            !classes.empty() && classes.front().ends_with("Model") && classes.front() != decoder->hf_class;
        if (headless || has_sentence_transformers_files(folder)) {
            out.encoder.emplace();
        }
        GANTRY_CHECK_OK(translate(*decoder, FileKind::kHuggingFace, keys, tensors, {}, out));
        if (out.encoder) {
            GANTRY_CHECK_OK(read_embedder(folder, *config, model, out));
        } else if (is_yes_no_reranker(*config, out)) {
            GANTRY_CHECK_OK(read_yes_no_reranker(folder, *config, out));
        }
    } else {
        GANTRY_CHECK_OK(translate_encoder(*encoder, FileKind::kHuggingFace, keys, tensors, out));
        GANTRY_CHECK_OK(encoder->head == EncoderHead::kNone ? read_embedder(folder, *config, model, out)
                                                            : read_classifier(folder, *config, out));
    }
    GANTRY_CHECK_OK(read_tokenizer(folder, *config, out));
    out.file_paths = std::move(model.paths);
    out.files = std::move(model.files);
    return out;
}

}  // namespace gantry::registry
