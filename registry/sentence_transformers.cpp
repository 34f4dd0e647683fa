#include "registry/sentence_transformers.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

constexpr uint64_t kMaxTokenizerBytes = 256 << 20;

namespace fs = std::filesystem;
namespace json = boost::json;

/// The class's own name: "sentence_transformers.models.Pooling" is "Pooling".
std::string_view last_part(std::string_view dotted) { return dotted.substr(dotted.rfind('.') + 1); }

std::optional<uint32_t> positive(const JsonFile& file, std::string_view key) {
    const auto* value = file.find(key);
    if (value == nullptr || !value->is_int64() || value->get_int64() < 1 || value->get_int64() > INT32_MAX) {
        return std::nullopt;  // tokenizer_config.json says 1e30 for "no limit"
    }
    return static_cast<uint32_t>(value->get_int64());
}

Status read_pooling(const fs::path& path, EncoderInfo& info) {
    GANTRY_TRY(const auto file, read_json_file(path / "config.json"));
    if (!file) {
        return Error{Code::kNotFound, (path / "config.json").string() + " is missing", "modules.json names it"};
    }
    struct Mode {
        std::string_view flag, name;
        int32_t pooling;
    };
    constexpr auto kModes = std::to_array<Mode>({
        {"pooling_mode_cls_token", "cls", GANTRY_POOLING_CLS},
        {"pooling_mode_mean_tokens", "mean", GANTRY_POOLING_MEAN},
        {"pooling_mode_lasttoken", "lasttoken", GANTRY_POOLING_LAST},
    });
    std::optional<int32_t> found;
    if (const auto* name = file->find("pooling_mode"); name != nullptr && name->is_string()) {
        const auto it = std::ranges::find(kModes, std::string_view(name->get_string()), &Mode::name);
        if (it == kModes.end()) {
            return file->fault("pooling_mode", "is not supported; supported are cls, mean and lasttoken",
                               Code::kUnimplemented);
        }
        found = it->pooling;
    }
    for (const auto& [key, value] : file->root) {
        if (!key.starts_with("pooling_mode_") || !value.is_bool() || !value.get_bool()) continue;
        const auto it = std::ranges::find(kModes, std::string_view(key), &Mode::flag);
        if (it == kModes.end() || found) {
            return file->fault(key,
                               it == kModes.end() ? "is not supported; supported are cls, mean and lasttoken"
                                                  : "is one of several poolings, which is not supported",
                               Code::kUnimplemented);
        }
        found = it->pooling;
    }
    if (const auto* include = file->find("include_prompt");
        include != nullptr && include->is_bool() && !include->get_bool()) {
        return file->fault("include_prompt", "false is not supported", Code::kUnimplemented);
    }
    info.pooling = found.value_or(GANTRY_POOLING_MEAN);
    return ok();
}

Status read_dense(const fs::path& path, SafetensorsModel& model, ModelManifest& out, EncoderInfo& info) {
    GANTRY_TRY(const auto file, read_json_file(path / "config.json"));
    if (!file) {
        return Error{Code::kNotFound, (path / "config.json").string() + " is missing", "modules.json names it"};
    }
    if (out.find("dense.weight") != nullptr) {
        return file->fault("out_features", "is of a second Dense module, which is not supported", Code::kUnimplemented);
    }
    GANTRY_TRY(const auto given, file->text_of("activation_function"));
    const std::string activation = given.value_or("Tanh");
    const std::string_view name = last_part(activation);
    if (name != "Tanh" && name != "Identity" && name != "ReLU") {
        return file->fault("activation_function", "is not supported; supported are Tanh, ReLU and Identity",
                           Code::kUnimplemented);
    }
    out.hyper["dense.activation"] = std::string(name == "Tanh" ? "tanh" : name == "ReLU" ? "relu" : "none");
    GANTRY_TRY(auto dense, open_safetensors(path));
    for (size_t i = 0; i < dense.parts.size(); ++i) {
        for (const auto& t : dense.parts[i].tensors) {
            if (t.name != "linear.weight" && t.name != "linear.bias") {
                return file_fault(dense.parts[i].origin, "tensor " + in_quotes(t.name), t.info_offset,
                                  "is no part of a Dense module", Code::kUnimplemented);
            }
            TensorEntry entry;
            entry.name = t.name == "linear.weight" ? "dense.weight" : "dense.bias";
            entry.dtype = t.dtype;
            entry.shape = t.shape;
            entry.file = static_cast<uint32_t>(model.files.size());
            entry.offset = t.offset;
            entry.nbytes = t.nbytes;
            if (t.name == "linear.weight" && !t.shape.empty()) info.width = static_cast<uint32_t>(t.shape.front());
            out.tensors.push_back(std::move(entry));
        }
        model.paths.push_back(dense.paths[i]);
        model.files.push_back(dense.files[i]);
        model.parts.push_back(std::move(dense.parts[i]));
    }
    return ok();
}

Status read_modules(const fs::path& folder, SafetensorsModel& model, ModelManifest& out, EncoderInfo& info) {
    constexpr uint64_t kMaxBytes = 1 << 20;
    GANTRY_TRY(const auto text, read_text_file(folder / "modules.json", kMaxBytes));
    if (!text) {
        return ok();
    }
    json::error_code ec;
    const auto parsed = json::parse(*text, ec);
    const auto damaged = [&] {
        return Error{Code::kDataLoss, (folder / "modules.json").string() + ": must be a list of {type, path}",
                     "fetch the file again"};
    };
    if (ec || !parsed.is_array()) {
        return damaged();
    }
    for (const auto& element : parsed.get_array()) {
        const auto* module = element.if_object();
        const auto* type = module == nullptr ? nullptr : module->if_contains("type");
        const auto* path = module == nullptr ? nullptr : module->if_contains("path");
        if (type == nullptr || !type->is_string() || path == nullptr || !path->is_string()) {
            return damaged();
        }
        const std::string_view kind = last_part(type->get_string());
        const fs::path inside(std::string_view(path->get_string()));
        if (inside.is_absolute() || std::ranges::find(inside, fs::path("..")) != inside.end()) {
            return damaged();
        }
        if (kind == "Transformer") continue;
        if (kind == "Pooling") {
            GANTRY_CHECK_OK(read_pooling(folder / inside, info));
        } else if (kind == "Normalize") {
            info.normalize = true;
        } else if (kind == "Dense") {
            GANTRY_CHECK_OK(read_dense(folder / inside, model, out, info));
        } else {
            return Error{Code::kUnimplemented,
                         (folder / "modules.json").string() + ": the module '" + printable(kind) + "' is not supported",
                         "supported are Transformer, Pooling, Dense and Normalize"};
        }
    }
    return ok();
}

Status read_prompts(const fs::path& folder, EncoderInfo& info) {
    GANTRY_TRY(const auto file, read_json_file(folder / "config_sentence_transformers.json"));
    if (!file) {
        return ok();
    }
    if (const auto* prompts = file->find("prompts"); prompts != nullptr) {
        if (!prompts->is_object()) {
            return file->fault("prompts", "must be an object of texts");
        }
        for (const auto& [name, text] : prompts->get_object()) {
            if (!text.is_string()) {
                return file->fault("prompts", "must be an object of texts");
            }
            info.prompts[std::string(name)] = std::string(text.get_string());
        }
    }
    GANTRY_TRY(const auto name, file->text_of("default_prompt_name"));
    info.default_prompt_name = name.value_or("");
    if (!info.default_prompt_name.empty() && !info.prompts.contains(info.default_prompt_name)) {
        return file->fault("default_prompt_name", "is none of the prompts");
    }
    GANTRY_TRY(const auto similarity, file->text_of("similarity_fn_name"));
    info.similarity = similarity.value_or("cosine");
    if (const auto* width = file->find("truncate_dim");
        width != nullptr && width->is_int64() && width->get_int64() > 0 && width->get_int64() < info.width) {
        info.dimensions.push_back(static_cast<uint32_t>(width->get_int64()));
    }
    return ok();
}

/// `matryoshka_dimensions` of config.json, as Jina and Snowflake write it.
Status read_dimensions(const JsonFile& config, EncoderInfo& info) {
    if (const auto* list = config.find("matryoshka_dimensions"); list != nullptr) {
        const auto valid = [&](const json::value& v) {
            return v.is_int64() && v.get_int64() > 0 && v.get_int64() <= info.width;
        };
        if (!list->is_array() || !std::ranges::all_of(list->get_array(), valid)) {
            return config.fault("matryoshka_dimensions", "must be a list of widths up to the model's own");
        }
        for (const auto& v : list->get_array()) info.dimensions.push_back(static_cast<uint32_t>(v.get_int64()));
    }
    if (!info.dimensions.empty()) {
        info.dimensions.push_back(info.width);
        std::ranges::sort(info.dimensions);
        info.dimensions.erase(std::unique(info.dimensions.begin(), info.dimensions.end()), info.dimensions.end());
    }
    return ok();
}

/// The longest text that the files allow, at most what the model has positions for.
Status read_max_tokens(const fs::path& folder, ModelManifest& out, EncoderInfo& info) {
    info.max_tokens = static_cast<uint32_t>(std::min<uint64_t>(out.context_length, INT32_MAX));
    GANTRY_TRY(const auto sentence, read_json_file(folder / "sentence_bert_config.json"));
    GANTRY_TRY(const auto tokenizer, read_json_file(folder / "tokenizer_config.json"));
    auto limit = sentence ? positive(*sentence, "max_seq_length") : std::nullopt;
    if (!limit && tokenizer) {
        limit = positive(*tokenizer, "model_max_length");
    }
    info.max_tokens = std::min(info.max_tokens, limit.value_or(info.max_tokens));
    return ok();
}

EncoderInfo::Activation activation_of(std::string_view name, EncoderInfo::Activation fallback) {
    if (name == "Sigmoid") return EncoderInfo::Activation::kSigmoid;
    if (name == "Identity") return EncoderInfo::Activation::kNone;
    if (name == "Softmax") return EncoderInfo::Activation::kSoftmax;
    return fallback;
}

}  // namespace

bool is_yes_no_reranker(const JsonFile& config, const ModelManifest& model) {
    if (model.architecture != "qwen3") return false;
    std::string name = model.name;
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return config.find("classifier_from_token") != nullptr || name.find("reranker") != std::string::npos;
}

Status read_yes_no_reranker(const fs::path& folder, const JsonFile& config, ModelManifest& out) {
    std::array<std::string, 2> answers = {"no", "yes"};
    if (const auto* given = config.find("classifier_from_token"); given != nullptr) {
        const auto* list = given->if_array();
        if (list == nullptr || list->size() != 2 || !list->at(0).is_string() || !list->at(1).is_string()) {
            return config.fault("classifier_from_token", "must be two tokens, of no and yes");
        }
        answers = {std::string(list->at(0).get_string()), std::string(list->at(1).get_string())};
    }
    GANTRY_TRY(const auto tokenizer, read_json_file(folder / "tokenizer.json", kMaxTokenizerBytes));
    const auto id_of = [&](const std::string& token) -> std::optional<int64_t> {
        const auto* model = tokenizer ? tokenizer->find("model") : nullptr;
        const auto* vocab = model != nullptr && model->is_object() ? model->get_object().if_contains("vocab") : nullptr;
        const auto* id = vocab != nullptr && vocab->is_object() ? vocab->get_object().if_contains(token) : nullptr;
        return id != nullptr && id->is_int64() ? std::optional(id->get_int64()) : std::nullopt;
    };
    const auto no = id_of(answers[0]);
    const auto yes = id_of(answers[1]);
    if (!no || !yes) {
        return Error{Code::kDataLoss,
                     (folder / "tokenizer.json").string() + ": has no token '" + printable(answers[no ? 1 : 0]) +
                         "', which is an answer of this reranker",
                     "fetch the file again"};
    }
    EncoderInfo info;
    info.task = EncoderInfo::Task::kRerank;
    info.pooling = GANTRY_POOLING_SCORES;
    info.width = 1;
    info.labels = {answers[1]};
    // softmax over two logits is the sigmoid of their difference, which is what the plugin gives.
    info.activation = EncoderInfo::Activation::kSigmoid;
    info.pair_template =
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        "provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n"
        "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n";
    info.default_instruction = "Given a web search query, retrieve relevant passages that answer the query";
    GANTRY_CHECK_OK(read_max_tokens(folder, out, info));
    out.hyper["encoder.pooling"] = std::string(pooling_name(info.pooling));
    out.hyper["head.pooling"] = std::string("last");
    out.hyper["head.yes_token"] = *yes;
    out.hyper["head.no_token"] = *no;
    out.encoder = std::move(info);
    return ok();
}

bool has_sentence_transformers_files(const fs::path& folder) {
    std::error_code ec;
    return fs::exists(folder / "modules.json", ec);
}

Status read_embedder(const fs::path& folder, const JsonFile& config, SafetensorsModel& model, ModelManifest& out) {
    EncoderInfo info;
    info.width = static_cast<uint32_t>(std::get<int64_t>(out.hyper.at("hidden_size")));
    // Of a causal model only the last token has seen all.
    info.pooling = out.hyper.contains("attention.causal") ? GANTRY_POOLING_MEAN : GANTRY_POOLING_LAST;
    GANTRY_CHECK_OK(read_modules(folder, model, out, info));
    GANTRY_CHECK_OK(read_prompts(folder, info));
    GANTRY_CHECK_OK(read_dimensions(config, info));
    GANTRY_CHECK_OK(read_max_tokens(folder, out, info));
    out.hyper["encoder.pooling"] = std::string(pooling_name(info.pooling));
    out.encoder = std::move(info);
    return ok();
}

Status read_classifier(const fs::path& folder, const JsonFile& config, ModelManifest& out) {
    EncoderInfo info;
    info.pooling = GANTRY_POOLING_SCORES;
    const int64_t rows = std::get<int64_t>(out.hyper.at("label.count"));
    const auto* names = config.find("id2label");
    for (int64_t i = 0; i < rows; ++i) {
        const auto* name =
            names != nullptr && names->is_object() ? names->get_object().if_contains(std::to_string(i)) : nullptr;
        info.labels.push_back(name != nullptr && name->is_string() ? std::string(name->get_string())
                                                                   : "LABEL_" + std::to_string(i));
    }
    if (rows == 0) {
        return Error{Code::kDataLoss, config.path.string() + ": the model has no classification head",
                     "the file is incomplete or is not what its architecture says"};
    }
    info.width = static_cast<uint32_t>(rows);
    info.task = rows == 1 ? EncoderInfo::Task::kRerank : EncoderInfo::Task::kClassify;
    GANTRY_TRY(const auto problem, config.text_of("problem_type"));
    const bool several = problem.value_or("") == "multi_label_classification";
    info.activation = rows == 1 || several ? EncoderInfo::Activation::kSigmoid : EncoderInfo::Activation::kSoftmax;
    // What sentence-transformers' CrossEncoder writes; the second is its older form.
    if (const auto* own = config.find("sentence_transformers"); own != nullptr && own->is_object()) {
        const auto* name = own->get_object().if_contains("activation_fn");
        if (name != nullptr && name->is_string()) {
            info.activation = activation_of(last_part(name->get_string()), info.activation);
        }
    }
    GANTRY_TRY(const auto old, config.text_of("sbert_ce_default_activation_function"));
    if (old) {
        info.activation = activation_of(last_part(*old), info.activation);
    }
    GANTRY_CHECK_OK(read_max_tokens(folder, out, info));
    out.hyper["encoder.pooling"] = std::string(pooling_name(info.pooling));
    out.encoder = std::move(info);
    return ok();
}

}  // namespace gantry::registry
