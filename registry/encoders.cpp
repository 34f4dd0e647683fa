#include "registry/encoders.hpp"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

constexpr int64_t kMaxSize = (int64_t{1} << 31) - 1;

/// First parts of the names of tensors that only pre-training needs.
constexpr std::string_view kPretraining =
    "cls. lm_head. pooler. vocab_transform. vocab_layer_norm. vocab_projector. decoder.";

/// Calls f for every word of a text.
template <class F>
void each_word(std::string_view text, F&& f) {
    while (!text.empty()) {
        const auto space = std::min(text.find(' '), text.size());
        f(text.substr(0, space));
        text.remove_prefix(std::min(space + 1, text.size()));
    }
}

class Translator {
  public:
    Translator(const EncoderMatch& match, FileKind kind, const HyperSource& source, ModelManifest& out)
        : family_(*match.family),
          with_head_(match.head == EncoderHead::kClassification),
          gguf_(kind == FileKind::kGguf),
          in_(source),
          out_(out) {}

    Status run(std::span<const SourceTensor> tensors) {
        out_.architecture = family_.name;
        GANTRY_CHECK_OK(sizes(tensors.size()));
        GANTRY_CHECK_OK(norms_and_activation());
        GANTRY_CHECK_OK(rope());
        for (const auto& t : tensors) {
            GANTRY_CHECK_OK(add(t));
        }
        GANTRY_CHECK_OK(tables());
        sum_up_tensors(out_);
        return ok();
    }

  private:
    /// The first of several names that the source has.
    Result<std::optional<int64_t>> first_integer(std::initializer_list<std::string_view> names) const {
        for (const auto name : names) {
            GANTRY_TRY(const auto value, in_.integer(name));
            if (value) {
                if (*value < 1 || *value > kMaxSize) {
                    return in_.fault(name, std::to_string(*value) + " is out of range");
                }
                return value;
            }
        }
        return std::optional<int64_t>();
    }

    Result<std::optional<double>> first_number(std::initializer_list<std::string_view> names) const {
        for (const auto name : names) {
            GANTRY_TRY(const auto value, in_.number(name));
            if (value && *value <= 0) {
                return in_.fault(name, "must be above zero");
            }
            if (value) return value;
        }
        return std::optional<double>();
    }

    Result<std::optional<std::string>> first_text(std::initializer_list<std::string_view> names) const {
        for (const auto name : names) {
            GANTRY_TRY(const auto value, in_.text(name));
            if (value) return value;
        }
        return std::optional<std::string>();
    }

    Status required(std::string_view canonical, std::initializer_list<std::string_view> hf, std::string_view gguf) {
        GANTRY_TRY(const auto value, gguf_ ? first_integer({gguf}) : first_integer(hf));
        if (!value) {
            return in_.fault(gguf_ ? gguf : *hf.begin(), "required key is missing");
        }
        out_.hyper[std::string(canonical)] = *value;
        return ok();
    }

    int64_t integer(std::string_view name) const { return std::get<int64_t>(out_.hyper.find(name)->second); }

    Status sizes(size_t tensor_count) {
        GANTRY_CHECK_OK(required("hidden_size", {"hidden_size", "dim", "n_embd"}, "embedding_length"));
        GANTRY_CHECK_OK(required("layer_count", {"num_hidden_layers", "n_layers", "n_layer"}, "block_count"));
        GANTRY_CHECK_OK(required("head_count", {"num_attention_heads", "n_heads", "n_head"}, "attention.head_count"));
        GANTRY_CHECK_OK(required("ffn_size", {"intermediate_size", "hidden_dim", "n_inner"}, "feed_forward_length"));
        GANTRY_CHECK_OK(required("context_length", {"max_position_embeddings", "n_positions"}, "context_length"));
        if (static_cast<uint64_t>(integer("layer_count")) > tensor_count) {
            return in_.fault(gguf_ ? "block_count" : "num_hidden_layers",
                             "is more than the model's number of tensors, " + std::to_string(tensor_count));
        }
        if (integer("hidden_size") % integer("head_count") != 0) {
            return in_.fault(gguf_ ? "attention.head_count" : "num_attention_heads",
                             "does not divide the hidden size " + std::to_string(integer("hidden_size")));
        }
        out_.hyper["kv_head_count"] = integer("head_count");
        out_.hyper["head_dim"] = integer("hidden_size") / integer("head_count");
        out_.hyper["attention.causal"] = false;
        return ok();
    }

    Status norms_and_activation() {
        out_.hyper["norm.kind"] = std::string("layer");
        out_.hyper["norm.place"] = std::string(family_.pre_norm ? "pre" : "post");
        GANTRY_TRY(const auto eps, gguf_ ? first_number({"attention.layer_norm_epsilon"})
                                         : first_number({"layer_norm_eps", "norm_eps", "layer_norm_epsilon"}));
        out_.hyper["norm_eps"] = eps.value_or(family_.default_norm_eps);
        std::string activation(family_.gguf_activation);
        if (!gguf_) {
            GANTRY_TRY(const auto position, in_.text("position_embedding_type"));
            const std::string_view wanted = family_.rope_theta > 0 ? "rope" : "absolute";
            if (position.value_or(std::string(wanted)) != wanted) {
                return in_.fault("position_embedding_type", "'" + *position + "' is not supported",
                                 Code::kUnimplemented);
            }
            GANTRY_TRY(const auto decoder, in_.flag("is_decoder"));
            if (decoder.value_or(false)) {
                return in_.fault("is_decoder", "makes a language model of an encoder, which is not supported",
                                 Code::kUnimplemented);
            }
            GANTRY_TRY(const auto given,
                       first_text({"hidden_act", "activation", "hidden_activation", "activation_function"}));
            GANTRY_TRY(activation, canonical_activation(given.value_or("gelu"), in_));
            GANTRY_TRY(const auto prenorm, in_.flag("prenorm"));
            if (prenorm.value_or(family_.pre_norm) != family_.pre_norm) {
                return in_.fault("prenorm", "true is not supported", Code::kUnimplemented);
            }
        }
        out_.hyper["activation"] = activation;
        return with_head_ ? head() : ok();
    }

    /// The classification head's way: what it looks at, and what lies between its two layers.
    Status head() {
        std::string activation(family_.head_activation);
        if (!gguf_) {
            GANTRY_TRY(const auto pooling, in_.text("classifier_pooling"));
            if (pooling && *pooling != "cls" && *pooling != "mean") {
                return in_.fault("classifier_pooling", "'" + printable(*pooling) + "' is not supported",
                                 Code::kUnimplemented);
            }
            out_.hyper["head.pooling"] = pooling.value_or("cls");
            GANTRY_TRY(const auto given, in_.text("classifier_activation"));
            if (given) {
                GANTRY_TRY(activation, canonical_activation(*given, in_));
            }
        } else {
            out_.hyper["head.pooling"] = std::string("cls");
        }
        out_.hyper["head.activation"] = activation;
        return ok();
    }

    /// Rotary positions, where the family has them; ModernBERT's layers with a window have another base.
    Status rope() {
        if (family_.rope_theta <= 0) {
            return ok();
        }
        GANTRY_TRY(const auto theta, gguf_ ? first_number({"rope.freq_base"})
                                           : first_number({"rope.full_attention.rope_theta", "rope.rope_theta",
                                                           "global_rope_theta", "rotary_emb_base"}));
        out_.hyper["rope.theta"] = theta.value_or(family_.rope_theta);
        out_.hyper["rope.style"] = std::string("half");
        out_.hyper["rope.dim"] = integer("head_dim");
        if (gguf_) {
            return ok();
        }
        GANTRY_TRY(const auto type, first_text({"rope.rope_type", "rope.type", "rope.full_attention.rope_type"}));
        GANTRY_TRY(const auto stretched, in_.number("rotary_scaling_factor"));
        if (type.value_or("default") != "default" || stretched) {
            return in_.fault(type ? "rope.rope_type" : "rotary_scaling_factor",
                             "rotary scaling is not supported for this architecture", Code::kUnimplemented);
        }
        GANTRY_TRY(const auto part, in_.number("rotary_emb_fraction"));
        if (part.value_or(1) != 1) {
            return in_.fault("rotary_emb_fraction", "other than 1 is not supported", Code::kUnimplemented);
        }
        return family_.local_theta > 0 ? local_layers() : ok();
    }

    /// Layers that look a window to each side: `layer_types`, else all but every third or so.
    Status local_layers() {
        GANTRY_TRY(const auto theta, first_number({"rope.sliding_attention.rope_theta", "local_rope_theta"}));
        GANTRY_TRY(const auto width, first_integer({"local_attention"}));
        GANTRY_TRY(const auto every, first_integer({"global_attn_every_n_layers"}));
        GANTRY_TRY(const auto types, in_.texts("layer_types"));
        const auto layers = static_cast<size_t>(integer("layer_count"));
        if (!types.empty() && types.size() != layers) {
            return in_.fault("layer_types", "has " + std::to_string(types.size()) + " elements for " +
                                                std::to_string(layers) + " layers");
        }
        std::vector<int64_t> windowed(layers);
        for (size_t i = 0; i < layers; ++i) {
            const bool local =
                types.empty() ? static_cast<int64_t>(i) % every.value_or(3) != 0 : types[i] == "sliding_attention";
            windowed[i] = local ? 1 : 0;
        }
        out_.hyper["rope.local_theta"] = theta.value_or(family_.local_theta);
        out_.hyper["sliding_window"] = width.value_or(128) / 2;
        out_.hyper["sliding_window_layers"] = std::move(windowed);
        return ok();
    }

    /// Name within the model without a wrapper's prefix, layer number taken out.
    struct Name {
        std::string_view module;
        std::string_view part;
        std::string layer;  ///< "layers.3." or empty
        uint64_t number = 0;
    };

    std::optional<Name> take_apart(std::string_view name) const {
        Name out;
        if (!gguf_ && name.starts_with(family_.prefix)) {
            name.remove_prefix(family_.prefix.size());
        }
        std::string_view layers;
        each_word(gguf_ ? "blk." : family_.layer_prefixes, [&](std::string_view prefix) {
            if (layers.empty() && name.starts_with(prefix)) layers = prefix;
        });
        if (!layers.empty()) {
            name.remove_prefix(layers.size());
            const auto dot = std::min(name.find('.'), name.size());
            const auto digits = name.substr(0, dot);
            if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != digits.npos) {
                return std::nullopt;
            }
            out.number = std::stoul(std::string(digits));
            out.layer = "layers." + std::string(digits) + ".";
            name.remove_prefix(std::min(dot + 1, name.size()));
        }
        const auto dot = name.rfind('.');
        if (dot == std::string_view::npos) {
            return std::nullopt;
        }
        out.module = name.substr(0, dot);
        out.part = name.substr(dot + 1);
        // What TensorFlow called them, in files of BERT's first year.
        if (out.part == "gamma") out.part = "weight";
        if (out.part == "beta") out.part = "bias";
        return out;
    }

    bool ignored(std::string_view name) const {
        if (!gguf_ && name.starts_with(family_.prefix)) {
            name.remove_prefix(family_.prefix.size());
        }
        bool found = name.ends_with("position_ids") || name.ends_with("token_type_ids");
        each_word(gguf_ ? std::string_view("pooler.") : kPretraining,
                  [&](std::string_view first) { found = found || name.starts_with(first); });
        return found;
    }

    Status add(const SourceTensor& t) {
        const auto name = take_apart(t.name);
        const EncoderModule* module = nullptr;
        if (name && (name->part == "weight" || name->part == "bias")) {
            for (const auto& m : name->layer.empty() ? family_.modules : family_.layer_modules) {
                const auto source = gguf_ ? m.gguf : m.hf;
                if (!source.empty() && source == name->module) {
                    module = &m;
                }
            }
        }
        const bool head = module != nullptr && module->canonical.starts_with("head.");
        if ((module == nullptr && ignored(t.name)) || (head && !with_head_)) {
            return ok();
        }
        if (module == nullptr ||
            (!name->layer.empty() && name->number >= static_cast<uint64_t>(integer("layer_count")))) {
            return file_fault(t.origin, "tensor " + in_quotes(t.name), t.info_offset,
                              "is no part of architecture '" + std::string(family_.name) + "'", Code::kUnimplemented);
        }
        return add_parts(t, *name, module->canonical);
    }

    Status add_parts(const SourceTensor& t, const Name& name, std::string_view canonical) {
        const auto parts = static_cast<uint64_t>(std::ranges::count(canonical, ' ')) + 1;
        if (t.shape.empty() || t.shape[0] % parts != 0) {
            return file_fault(t.origin, "tensor " + in_quotes(t.name), t.info_offset,
                              "does not consist of " + std::to_string(parts) + " equal parts");
        }
        uint64_t part = 0;
        each_word(canonical, [&](std::string_view word) {
            TensorEntry entry;
            entry.name = name.layer + std::string(word) + "." + std::string(name.part);
            entry.dtype = t.dtype;
            entry.shape.assign(t.shape.begin(), t.shape.end());
            entry.shape[0] /= parts;
            entry.file = t.file;
            entry.nbytes = t.nbytes / parts;
            entry.offset = t.offset + part++ * entry.nbytes;
            // Some writers keep a matrix of one row as a vector.
            if (name.part == "weight" && word == "head.out" && entry.shape.size() == 1) {
                entry.shape.insert(entry.shape.begin(), 1);
            }
            out_.tensors.push_back(std::move(entry));
        });
        return ok();
    }

    /// What the tables' sizes say.
    Status tables() {
        const auto rows = [&](std::string_view name) -> int64_t {
            const auto* t = out_.find(name);
            return t == nullptr ? 0 : static_cast<int64_t>(t->shape.front());
        };
        if (rows("token_embd.weight") == 0) {
            return Error{Code::kDataLoss, "the model has no token embedding",
                         "the file is incomplete or is not what its architecture says"};
        }
        out_.hyper["vocab_size"] = rows("token_embd.weight");
        if (const auto types = rows("type_embd.weight"); types != 0) {
            out_.hyper["type.count"] = types;
        }
        int64_t context = integer("context_length");
        if (const auto positions = rows("position_embd.weight"); positions != 0) {
            GANTRY_TRY(const auto padding, in_.integer("pad_token_id"));
            const int64_t offset = family_.positions_after_padding && !gguf_ ? padding.value_or(1) + 1 : 0;
            if (offset < 0 || offset >= positions) {
                return in_.fault("pad_token_id", "leaves no place of the " + std::to_string(positions) + " positions");
            }
            out_.hyper["position.count"] = positions;
            out_.hyper["position.offset"] = offset;
            context = std::min(context, positions - offset);
        }
        out_.hyper["context_length"] = context;
        out_.context_length = static_cast<uint64_t>(context);
        if (with_head_) {
            out_.hyper["label.count"] = rows("head.out.weight");
        }
        return ok();
    }

    const EncoderFamily& family_;
    bool with_head_;
    bool gguf_;
    const HyperSource& in_;
    ModelManifest& out_;
};

}  // namespace

std::optional<EncoderMatch> find_hf_encoder(std::span<const std::string> classes, std::string_view model_type) {
    for (const auto& family : encoder_families()) {
        if (classes.empty()) {
            bool found = false;
            each_word(family.model_types, [&](std::string_view type) { found = found || type == model_type; });
            if (found) return EncoderMatch{&family, EncoderHead::kNone};
            continue;
        }
        std::string_view name = classes.front();
        if (!name.starts_with(family.stem)) continue;
        name.remove_prefix(family.stem.size());
        if (name == "Model" || name == "ForMaskedLM" || name == "ForPreTraining") {
            return EncoderMatch{&family, EncoderHead::kNone};
        }
        if (name == "ForSequenceClassification") return EncoderMatch{&family, EncoderHead::kClassification};
    }
    return std::nullopt;
}

std::optional<EncoderMatch> find_gguf_encoder(std::string_view architecture) {
    for (const auto& family : encoder_families()) {
        if (!family.gguf.empty() && family.gguf == architecture) return EncoderMatch{&family, EncoderHead::kNone};
    }
    return std::nullopt;
}

Status translate_encoder(const EncoderMatch& match, FileKind kind, const HyperSource& source,
                         std::span<const SourceTensor> tensors, ModelManifest& out) {
    return Translator(match, kind, source, out).run(tensors);
}

}  // namespace gantry::registry
