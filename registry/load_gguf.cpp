// GGUF keys that describe the model beyond its hyperparameters: tokenizer, chat templates, generation defaults.

#include <gantry/abi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>

#include "registry/architectures.hpp"
#include "registry/encoders.hpp"
#include "registry/formats/fault.hpp"
#include "registry/loaders.hpp"

namespace gantry::registry {
namespace {

constexpr int32_t kControlToken = 3;  // ggml's token types
constexpr int32_t kUserDefinedToken = 4;

const GgufArray* array_of(const GgufFile& file, std::string_view key) {
    const auto* value = file.find(key);
    return value == nullptr ? nullptr : std::get_if<GgufArray>(&value->value);
}

Error key_fault(const GgufFile& file, std::string_view key, std::string_view problem) {
    const auto* value = file.find(key);
    return file_fault(file.origin, in_quotes(key), value == nullptr ? 0 : value->offset, problem);
}

/// Reads tokenizer.ggml.*; every list must be as long as the vocabulary, every id must be in it.
class TokenizerReader {
  public:
    explicit TokenizerReader(const GgufFile& file) : file_(file), keys_(file, "tokenizer.ggml.") {}

    Result<TokenizerSource> read() {
        GANTRY_TRY(const auto model, keys_.text("model"));
        out_.model = model.value_or("none");
        if (out_.model == "no_vocab" || out_.model == "none") {
            return TokenizerSource{};
        }
        GANTRY_TRY(const auto pre, keys_.text("pre"));
        out_.pre = pre.value_or("");
        GANTRY_TRY(out_.tokens, keys_.texts("tokens"));
        if (out_.tokens.empty()) {
            return key_fault(file_, "tokenizer.ggml.tokens", "required key is missing or empty");
        }
        GANTRY_TRY(out_.merges, keys_.texts("merges"));
        GANTRY_CHECK_OK(read_scores());
        GANTRY_CHECK_OK(read_types());
        GANTRY_CHECK_OK(read_ids());
        GANTRY_TRY(out_.add_bos, keys_.flag("add_bos_token"));
        GANTRY_TRY(out_.add_eos, keys_.flag("add_eos_token"));
        GANTRY_TRY(out_.add_space_prefix, keys_.flag("add_space_prefix"));
        GANTRY_TRY(out_.remove_extra_whitespaces, keys_.flag("remove_extra_whitespaces"));
        if (const auto* map = array_of(file_, "tokenizer.ggml.precompiled_charsmap")) {
            if (map->element != GgufType::kUint8 && map->element != GgufType::kInt8) {
                return key_fault(file_, "tokenizer.ggml.precompiled_charsmap", "must be an array of bytes");
            }
            out_.precompiled_charsmap.assign(reinterpret_cast<const char*>(map->raw.data()), map->raw.size());
        }
        return TokenizerSource{std::move(out_)};
    }

  private:
    Status check_length(std::string_view key, size_t length) const {
        if (length == out_.tokens.size()) {
            return ok();
        }
        return key_fault(
            file_, key,
            "has " + std::to_string(length) + " elements, the vocabulary has " + std::to_string(out_.tokens.size()));
    }

    Status read_scores() {
        const auto* scores = array_of(file_, "tokenizer.ggml.scores");
        if (scores == nullptr) {
            return ok();
        }
        if (scores->element != GgufType::kFloat32) {
            return key_fault(file_, "tokenizer.ggml.scores", "must be an array of float32");
        }
        GANTRY_CHECK_OK(check_length("tokenizer.ggml.scores", scores->count));
        out_.scores.resize(scores->count);
        std::memcpy(out_.scores.data(), scores->raw.data(), scores->raw.size());
        return ok();
    }

    Status read_types() {
        const auto* types = array_of(file_, "tokenizer.ggml.token_type");
        if (types == nullptr) {
            return ok();
        }
        GANTRY_CHECK_OK(check_length("tokenizer.ggml.token_type", types->count));
        const auto values = types->integers();
        GANTRY_CHECK_OK(check_length("tokenizer.ggml.token_type", values.size()));
        for (const int64_t value : values) {
            if (value < 0 || value > 6) {
                return key_fault(file_, "tokenizer.ggml.token_type", "unknown token type " + std::to_string(value));
            }
            out_.types.push_back(static_cast<int32_t>(value));
        }
        return ok();
    }

    Status read_ids() {
        struct Slot {
            std::string_view key;
            std::optional<int32_t>* to;
        };
        // "seperator" is how the format spells it.
        const std::array<Slot, 8> slots = {{{"bos_token_id", &out_.bos},
                                            {"eos_token_id", &out_.eos},
                                            {"eot_token_id", &out_.eot},
                                            {"unknown_token_id", &out_.unk},
                                            {"padding_token_id", &out_.pad},
                                            {"seperator_token_id", &out_.sep},
                                            {"cls_token_id", &out_.cls},
                                            {"mask_token_id", &out_.mask}}};
        for (const auto& [key, to] : slots) {
            GANTRY_TRY(const auto id, keys_.integer(key));
            // Some writers say "none" as the largest uint32.
            if (!id || *id == 0xFFFFFFFF || *id == -1) {
                continue;
            }
            if (*id < 0 || *id >= static_cast<int64_t>(out_.tokens.size())) {
                return keys_.fault(key, std::to_string(*id) + " is not in the vocabulary of " +
                                            std::to_string(out_.tokens.size()) + " tokens");
            }
            *to = static_cast<int32_t>(*id);
        }
        return ok();
    }

    const GgufFile& file_;
    GgufHyper keys_;
    TokenizerGguf out_;
};

Status read_templates(const GgufFile& file, ModelManifest& out) {
    constexpr std::string_view kKey = "tokenizer.chat_template";
    const auto end = file.keys.end();
    for (auto it = file.keys.lower_bound(kKey); it != end && it->first.starts_with(kKey); ++it) {
        const auto& [key, value] = *it;
        const auto* text = std::get_if<std::string_view>(&value.value);
        const bool is_default = key == kKey;
        if (!is_default && !key.starts_with(std::string(kKey) + ".")) {
            continue;  // tokenizer.chat_templates: only the list of names
        }
        if (text == nullptr) {
            return key_fault(file, printable(key), "must be a string");
        }
        if (is_default) {
            out.chat_template = *text;
        } else {
            out.chat_templates.emplace(key.substr(kKey.size() + 1), *text);
        }
    }
    return ok();
}

Status read_generation(const GgufFile& file, const TokenizerGguf& tokenizer, GenerationDefaults& out) {
    std::set<int32_t> ends;
    const auto add = [&](std::optional<int32_t> id) {
        if (id && ends.insert(*id).second) {
            out.eos_token_ids.push_back(*id);
        }
    };
    add(tokenizer.eos);
    add(tokenizer.eot);
    for (size_t i = 0; i < tokenizer.types.size(); ++i) {
        const int32_t type = tokenizer.types[i];
        if ((type == kControlToken || type == kUserDefinedToken) && is_end_of_turn_text(tokenizer.tokens[i])) {
            add(static_cast<int32_t>(i));
        }
    }
    const GgufHyper keys(file, "general.sampling.");
    GANTRY_TRY(out.temperature, keys.number("temp"));
    GANTRY_TRY(out.top_p, keys.number("top_p"));
    GANTRY_TRY(out.min_p, keys.number("min_p"));
    GANTRY_TRY(out.repetition_penalty, keys.number("penalty_repeat"));
    GANTRY_TRY(out.top_k, keys.integer("top_k"));
    return ok();
}

/// A vector of positive numbers; empty where the file lacks it.
Result<std::vector<double>> read_rotary_tensor(const GgufModel& model, std::string_view name) {
    std::vector<double> out;
    for (const auto& part : model.parts) {
        const auto it = std::ranges::find(part.tensors, name, &GgufTensor::name);
        if (it == part.tensors.end()) {
            continue;
        }
        const std::string field = "tensor '" + std::string(name) + "'";
        if (it->dtype != GANTRY_DTYPE_F32 || it->shape.size() != 1) {
            return file_fault(part.origin, field, it->info_offset, "must be a vector of F32");
        }
        std::vector<float> values(it->nbytes / sizeof(float));
        std::memcpy(values.data(), part.bytes.data() + it->offset, it->nbytes);
        for (const float value : values) {
            if (!std::isfinite(value) || value <= 0) {
                return file_fault(part.origin, field, it->offset, "has an element that is not a positive number");
            }
            out.push_back(value);
        }
    }
    return out;
}

Result<RotaryTables> read_rotary_tables(const GgufModel& model) {
    RotaryTables out;
    GANTRY_TRY(out.divisors, read_rotary_tensor(model, "rope_freqs.weight"));
    GANTRY_TRY(out.short_factors, read_rotary_tensor(model, "rope_factors_short.weight"));
    GANTRY_TRY(out.long_factors, read_rotary_tensor(model, "rope_factors_long.weight"));
    return out;
}

std::vector<SourceTensor> source_tensors(const GgufModel& model) {
    std::vector<SourceTensor> out;
    for (uint32_t i = 0; i < model.parts.size(); ++i) {
        const auto& part = model.parts[i];
        for (const auto& t : part.tensors) {
            out.push_back({t.name, t.dtype, t.shape, i, t.offset, t.nbytes, t.info_offset, part.origin});
        }
    }
    return out;
}

Status read_tokenizer(const GgufFile& file, ModelManifest& out) {
    GANTRY_TRY(out.tokenizer, TokenizerReader(file).read());
    GANTRY_CHECK_OK(read_templates(file, out));
    const auto* tokenizer = std::get_if<TokenizerGguf>(&out.tokenizer);
    if (tokenizer == nullptr) {
        return ok();
    }
    const auto rows = std::get<int64_t>(out.hyper.find("vocab_size")->second);
    if (static_cast<int64_t>(tokenizer->tokens.size()) > rows) {
        return key_fault(file, "tokenizer.ggml.tokens",
                         "has " + std::to_string(tokenizer->tokens.size()) + " tokens, the embedding has only " +
                             std::to_string(rows) + " rows");
    }
    const auto text_of = [&](std::optional<int32_t> id) {
        return id ? tokenizer->tokens[static_cast<size_t>(*id)] : std::string();
    };
    out.bos_token = text_of(tokenizer->bos);
    out.eos_token = text_of(tokenizer->eos);
    return read_generation(file, *tokenizer, out.generation);
}

/// How llama.cpp numbers the poolings.
Status read_gguf_pooling(const GgufHyper& keys, EncoderInfo& info) {
    constexpr std::array<int32_t, 5> kPoolings = {GANTRY_POOLING_MEAN, GANTRY_POOLING_MEAN, GANTRY_POOLING_CLS,
                                                  GANTRY_POOLING_LAST, GANTRY_POOLING_SCORES};
    GANTRY_TRY(const auto type, keys.integer("pooling_type"));
    if (type.value_or(1) < 0 || type.value_or(1) >= static_cast<int64_t>(kPoolings.size())) {
        return keys.fault("pooling_type", std::to_string(*type) + " is no known pooling", Code::kUnimplemented);
    }
    info.pooling = kPoolings[static_cast<size_t>(type.value_or(1))];
    return ok();
}

/// Files say nothing of prompts, and their vectors are always normalised, as llama.cpp does.
Status describe_gguf_embedder(const GgufHyper& keys, ModelManifest& out) {
    EncoderInfo info;
    GANTRY_CHECK_OK(read_gguf_pooling(keys, info));
    if (info.pooling == GANTRY_POOLING_SCORES) {
        return keys.fault("pooling_type", "is a ranking, but the file has no classification head",
                          Code::kUnimplemented);
    }
    info.max_tokens = static_cast<uint32_t>(std::min<uint64_t>(out.context_length, INT32_MAX));
    info.normalize = true;
    info.width = static_cast<uint32_t>(std::get<int64_t>(out.hyper.at("hidden_size")));
    out.hyper["encoder.pooling"] = std::string(pooling_name(info.pooling));
    out.encoder = std::move(info);
    return ok();
}

/// An encoder; it has a classification head where the file has one's tensors.
Status translate_gguf_encoder(EncoderMatch match, const GgufHyper& keys, std::span<const SourceTensor> tensors,
                              ModelManifest& out) {
    if (std::ranges::find(tensors, std::string_view("cls.output.weight"), &SourceTensor::name) != tensors.end()) {
        match.head = EncoderHead::kClassification;
    }
    GANTRY_CHECK_OK(translate_encoder(match, FileKind::kGguf, keys, tensors, out));
    if (match.head == EncoderHead::kNone) {
        return describe_gguf_embedder(keys, out);
    }
    EncoderInfo info;
    const auto rows = static_cast<size_t>(std::get<int64_t>(out.hyper.at("label.count")));
    GANTRY_TRY(info.labels, keys.texts("classifier.output_labels"));
    for (size_t i = info.labels.size(); i < rows; ++i) {
        info.labels.push_back("LABEL_" + std::to_string(i));
    }
    info.labels.resize(rows);
    info.pooling = GANTRY_POOLING_SCORES;
    info.max_tokens = static_cast<uint32_t>(std::min<uint64_t>(out.context_length, INT32_MAX));
    info.width = static_cast<uint32_t>(rows);
    info.task = rows == 1 ? EncoderInfo::Task::kRerank : EncoderInfo::Task::kClassify;
    info.activation = rows == 1 ? EncoderInfo::Activation::kSigmoid : EncoderInfo::Activation::kSoftmax;
    out.hyper["encoder.pooling"] = std::string(pooling_name(info.pooling));
    out.encoder = std::move(info);
    return ok();
}

}  // namespace

bool is_end_of_turn_text(std::string_view token) {
    static constexpr auto kTexts =
        std::to_array<std::string_view>({"<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>",
                                         "<|end_of_text|>", "<end_of_turn>", "<|END_OF_TURN_TOKEN|>",
                                         "<\xEF\xBD\x9C"
                                         "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"});
    return std::ranges::find(kTexts, token) != kTexts.end();
}

Result<ModelManifest> manifest_from_gguf(GgufModel model) {
    const GgufFile& first = model.parts.front();
    const GgufHyper general(first, "general.");
    GANTRY_TRY(const auto name, general.text("architecture"));
    if (!name) {
        return general.fault("architecture", "required key is missing", Code::kDataLoss,
                             "the file describes no model; if it is one of several parts, launch the first");
    }
    auto encoder = find_gguf_encoder(*name);
    const Architecture* decoder = nullptr;
    if (!encoder) {
        GANTRY_TRY(decoder, find_gguf_architecture(*name, first.origin));
    }
    ModelManifest out;
    out.format = "gguf";
    GANTRY_TRY(const auto title, general.text("name"));
    out.name = title && !title->empty() ? valid_utf8(*title) : display_name(first.origin);
    const auto tensors = source_tensors(model);
    const GgufHyper keys(first, *name + ".");
    if (decoder != nullptr) {
        GANTRY_TRY(auto rotary, read_rotary_tables(model));
        GANTRY_TRY(const auto pooling, keys.integer("pooling_type"));
        if (pooling.value_or(0) != 0) {
            out.encoder.emplace();  // a language model that was converted as an embedder
        }
        GANTRY_CHECK_OK(translate(*decoder, FileKind::kGguf, keys, tensors, std::move(rotary), out));
        if (out.encoder) {
            GANTRY_CHECK_OK(describe_gguf_embedder(keys, out));
        }
    } else {
        GANTRY_CHECK_OK(translate_gguf_encoder(*encoder, keys, tensors, out));
    }
    GANTRY_CHECK_OK(read_tokenizer(first, out));
    out.file_paths = std::move(model.paths);
    out.files = std::move(model.files);
    return out;
}

}  // namespace gantry::registry
