#include "registry/adapter.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "registry/architectures.hpp"
#include "registry/formats/gguf.hpp"
#include "registry/formats/json_file.hpp"
#include "registry/formats/safetensors.hpp"

namespace gantry::registry {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPeftPrefix = "base_model.model.model.layers.";
constexpr std::string_view kGgufPrefix = "blk.";

/// The vocabulary's name of a layer's module, by its name in the file; all architectures share them.
std::string_view canonical_module(FileKind kind, std::string_view module) {
    for (const Architecture& architecture : architectures()) {
        for (const ModuleRule& rule : architecture.layer_modules) {
            if (rule.in != Dim::kNone && (kind == FileKind::kGguf ? rule.gguf : rule.hf) == module) {
                return rule.canonical;
            }
        }
    }
    return {};
}

/// "layers.3.attn_q.lora_a" of a file's name, or nothing for a tensor that is no part of a linear layer's change.
std::optional<std::string> canonical_name(FileKind kind, std::string_view name) {
    const bool gguf = kind == FileKind::kGguf;
    const auto take = [&](std::string_view suffix) {
        const bool there = name.ends_with(suffix);
        name.remove_suffix(there ? suffix.size() : 0);
        return there;
    };
    const std::string_view prefix = gguf ? kGgufPrefix : kPeftPrefix;
    if (!name.starts_with(prefix)) {
        return std::nullopt;
    }
    name.remove_prefix(prefix.size());
    const bool a = take(gguf ? ".weight.lora_a" : ".lora_A.weight") || (!gguf && take(".lora_A.default.weight"));
    const bool b =
        !a && (take(gguf ? ".weight.lora_b" : ".lora_B.weight") || (!gguf && take(".lora_B.default.weight")));
    uint32_t layer = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
    if ((!a && !b) || error != std::errc{} || end == name.data() + name.size() || *end != '.') {
        return std::nullopt;
    }
    name.remove_prefix(static_cast<size_t>(end - name.data()) + 1);
    const std::string_view module = canonical_module(kind, name);
    if (module.empty()) {
        return std::nullopt;
    }
    return "layers." + std::to_string(layer) + "." + std::string(module) + (a ? ".lora_a" : ".lora_b");
}

Error unknown_tensor(std::string_view file, std::string_view name) {
    return {Code::kUnimplemented,
            std::string(file) + ": the adapter changes '" + std::string(name) + "', which is not supported",
            "supported are the linear layers of attention and feed-forward: q_proj, k_proj, v_proj, o_proj, gate_proj, "
            "up_proj, down_proj"};
}

/// What this reader would silently leave out, if the configuration asks for it.
Status refuse_other_kinds(const JsonFile& config) {
    GANTRY_TRY(const auto type, config.text_of("peft_type"));
    if (type.value_or("LORA") != "LORA") {
        return config.fault("peft_type", "is '" + *type + "'; only LORA is supported", Code::kUnimplemented);
    }
    for (const char* key : {"use_dora", "fan_in_fan_out", "use_qalora", "lora_bias"}) {
        const auto* value = config.find(key);
        if (value != nullptr && value->is_bool() && value->get_bool()) {
            return config.fault(key, "is set, which is not supported", Code::kUnimplemented);
        }
    }
    if (const auto* bias = config.find("bias"); bias != nullptr && *bias != "none") {
        return config.fault("bias", "must be \"none\"; trained biases are not supported", Code::kUnimplemented);
    }
    for (const char* key : {"alpha_pattern", "modules_to_save", "trainable_token_indices", "layer_replication"}) {
        const auto* value = config.find(key);
        const bool empty = value == nullptr || (value->is_object() && value->get_object().empty()) ||
                           (value->is_array() && value->get_array().empty());
        if (!empty) {
            return config.fault(key, "is set, which is not supported", Code::kUnimplemented);
        }
    }
    return ok();
}

Result<double> read_alpha(const JsonFile& config) {
    const auto* alpha = config.find("lora_alpha");
    if (alpha == nullptr || !alpha->is_number()) {
        return config.fault("lora_alpha", alpha == nullptr ? "is missing" : "must be a number");
    }
    return alpha->to_number<double>();
}

Result<ModelManifest> load_peft(const fs::path& folder) {
    GANTRY_TRY(const auto config, read_json_file(folder / "adapter_config.json"));
    if (!config) {
        return Error{Code::kNotFound, folder.string() + " has no adapter_config.json, so it is no adapter",
                     "give the folder that PEFT's save_pretrained made, or a GGUF adapter"};
    }
    GANTRY_CHECK_OK(refuse_other_kinds(*config));
    ModelManifest out;
    out.name = folder.filename().string();
    out.format = "peft";
    GANTRY_TRY(out.hyper["lora.alpha"], read_alpha(*config));
    const auto* rslora = config->find("use_rslora");
    out.hyper["lora.rslora"] = rslora != nullptr && rslora->is_bool() && rslora->get_bool();
    out.hyper["rope.style"] = std::string("half");
    const fs::path path = folder / "adapter_model.safetensors";
    GANTRY_TRY(MappedFile mapped, MappedFile::open(path));
    const auto file = std::make_shared<const MappedFile>(std::move(mapped));
    GANTRY_TRY(const SafetensorsFile parsed, parse_safetensors(file->bytes(), path.string()));
    for (const SafetensorsTensor& tensor : parsed.tensors) {
        const auto name = canonical_name(FileKind::kHuggingFace, tensor.name);
        if (!name) {
            return unknown_tensor(path.string(), tensor.name);
        }
        out.tensors.push_back({*name, tensor.dtype, tensor.shape, 0, tensor.offset, tensor.nbytes});
    }
    out.file_paths = {path};
    out.files = {file};
    return out;
}

template <class T>
const T* value_as(const GgufFile& file, std::string_view key) {
    const GgufValue* value = file.find(key);
    return value == nullptr ? nullptr : std::get_if<T>(&value->value);
}

Result<ModelManifest> load_gguf_adapter(const fs::path& path) {
    GANTRY_TRY(MappedFile mapped, MappedFile::open(path));
    ModelManifest out;
    out.files = {std::make_shared<const MappedFile>(std::move(mapped))};
    out.file_paths = {path};
    out.name = path.stem().string();
    out.format = "gguf";
    GANTRY_TRY(const GgufFile file, parse_gguf(out.files.front()->bytes(), path.string()));
    const auto* type = value_as<std::string_view>(file, "adapter.type");
    if (type == nullptr || *type != "lora") {
        return Error{Code::kUnimplemented, path.string() + " is no LoRA adapter: its 'adapter.type' is " +
                                               (type == nullptr ? "missing" : "'" + std::string(*type) + "'")};
    }
    const auto* alpha = value_as<double>(file, "adapter.lora.alpha");
    if (alpha == nullptr) {
        return Error{Code::kDataLoss, path.string() + ": 'adapter.lora.alpha' is missing or no number"};
    }
    out.hyper["lora.alpha"] = *alpha;
    const auto* architecture = value_as<std::string_view>(file, "general.architecture");
    GANTRY_TRY(const Architecture* known,
               find_gguf_architecture(architecture == nullptr ? "" : *architecture, path.string()));
    out.hyper["rope.style"] = std::string(known->gguf_rope_style);
    for (const GgufTensor& tensor : file.tensors) {
        const auto name = canonical_name(FileKind::kGguf, tensor.name);
        if (!name) {
            return unknown_tensor(path.string(), tensor.name);
        }
        out.tensors.push_back({*name, tensor.dtype, tensor.shape, 0, tensor.offset, tensor.nbytes});
    }
    return out;
}

}  // namespace

Result<ModelManifest> load_adapter(const fs::path& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) {
        return load_peft(path);
    }
    if (!fs::exists(path, ec)) {
        return Error{Code::kNotFound, "there is no adapter at " + path.string() + (ec ? ": " + ec.message() : "")};
    }
    return load_gguf_adapter(path);
}

}  // namespace gantry::registry
