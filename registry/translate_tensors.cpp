#include "registry/translate_tensors.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

/// A source name taken apart: "blk.3.attn_q.weight" is {3, "attn_q", "weight"}.
struct TensorName {
    std::optional<uint32_t> layer;
    std::string_view module;
    std::string_view part;
};

std::string_view layer_prefix(FileKind kind, const Architecture& architecture) {
    return kind == FileKind::kGguf ? "blk." : architecture.hf_layers;
}

std::optional<TensorName> take_apart(std::string_view prefix, std::string_view name) {
    TensorName out;
    if (name.starts_with(prefix)) {
        name.remove_prefix(prefix.size());
        const auto dot = name.find('.');
        uint32_t layer = 0;
        const auto digits = name.substr(0, dot);
        const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
        if (dot == std::string_view::npos || result.ec != std::errc() || result.ptr != digits.data() + dot ||
            (digits.size() > 1 && digits[0] == '0')) {
            return std::nullopt;
        }
        out.layer = layer;
        name.remove_prefix(dot + 1);
    }
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    out.module = name.substr(0, dot);
    out.part = name.substr(dot + 1);
    return out;
}

/// The sizes that the rules' dimensions stand for.
class Sizes {
  public:
    explicit Sizes(const ModelManifest& m) {
        const auto get = [&](std::string_view key) {
            const auto it = m.hyper.find(key);
            return it == m.hyper.end() ? uint64_t{0} : static_cast<uint64_t>(std::get<int64_t>(it->second));
        };
        layers = get("layer_count");
        experts = get("expert.count");
        values_[Dim::kVocab] = get("vocab_size");
        values_[Dim::kHidden] = get("hidden_size");
        values_[Dim::kHead] = get("head_dim");
        values_[Dim::kQuery] = get("head_count") * get("head_dim");
        values_[Dim::kKeyValue] = get("kv_head_count") * get("head_dim");
        values_[Dim::kQkv] = values_[Dim::kQuery] + 2 * values_[Dim::kKeyValue];
        values_[Dim::kFfn] = get("ffn_size");
        values_[Dim::kPositions] = get("position.count") != 0 ? get("position.count") : get("context_length");
        values_[Dim::kExperts] = experts;
        values_[Dim::kExpertFfn] = get("expert.ffn_size");
        values_[Dim::kSharedFfn] = get("expert.shared_ffn_size");
        values_[Dim::kOne] = 1;
        if (const auto it = m.hyper.find("expert.layers"); it != m.hyper.end()) {
            expert_layers_ = std::get<std::vector<int64_t>>(it->second);
        }
    }

    uint64_t at(Dim dim) const { return values_.at(dim); }

    /// Rows of a rule's module, or of all its parts together.
    uint64_t rows(const ModuleRule& rule) const {
        if (rule.parts.empty()) return at(rule.out);
        uint64_t sum = 0;
        for (const ModulePart& part : rule.parts) sum += at(part.out);
        return sum;
    }

    /// Of the file's tensor.
    std::vector<uint64_t> shape(const ModuleRule& rule, FileKind kind, bool bias) const {
        std::vector<uint64_t> out{rows(rule)};
        if (!bias && rule.in != Dim::kNone) {
            out.push_back(at(rule.in));
            if (rule.turned && kind == FileKind::kHuggingFace) std::swap(out[0], out[1]);
        }
        if (rule.stacked) out.insert(out.begin(), experts);
        return out;
    }

    bool has(LayerKind kind, uint64_t layer) const {
        if (kind == LayerKind::kAll) return true;
        const bool of_experts = experts != 0 && (expert_layers_.empty() || expert_layers_.at(layer) != 0);
        return of_experts == (kind == LayerKind::kExperts);
    }

    uint64_t layers = 0;
    uint64_t experts = 0;

  private:
    std::map<Dim, uint64_t> values_;
    std::vector<int64_t> expert_layers_;
};

std::string shape_text(std::span<const uint64_t> shape) {
    std::string out = "[";
    for (const uint64_t dim : shape) {
        out.append(out.size() > 1 ? ", " : "").append(std::to_string(dim));
    }
    return out + "]";
}

Error tensor_fault(const SourceTensor& t, std::string_view problem, Code code) {
    return file_fault(t.origin, "tensor " + in_quotes(t.name), t.info_offset, problem, code);
}

std::string_view name_in(FileKind kind, const ModuleRule& rule) {
    return kind == FileKind::kGguf ? rule.gguf : rule.hf;
}

/// With an expert's number for the '*'.
std::string numbered(std::string_view name, uint64_t expert) {
    const auto star = name.find('*');
    if (star == std::string_view::npos) return std::string(name);
    return std::string(name.substr(0, star)) + std::to_string(expert) + std::string(name.substr(star + 1));
}

/// The expert that a name gives in place of a pattern's '*'; 0 where there is none. Nothing: another name.
std::optional<uint64_t> match(std::string_view pattern, std::string_view name) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) return pattern == name ? std::optional<uint64_t>(0) : std::nullopt;
    const auto head = pattern.substr(0, star);
    const auto tail = pattern.substr(star + 1);
    if (!name.starts_with(head) || !name.ends_with(tail) || name.size() <= head.size() + tail.size()) {
        return std::nullopt;
    }
    const auto digits = name.substr(head.size(), name.size() - head.size() - tail.size());
    uint32_t expert = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), expert);
    const bool number = result.ec == std::errc() && result.ptr == digits.data() + digits.size();
    return number && (digits.size() == 1 || digits[0] != '0') ? std::optional<uint64_t>(expert) : std::nullopt;
}

std::string canonical_name(std::string_view module, uint64_t expert, std::optional<uint64_t> layer,
                           std::string_view part) {
    const std::string prefix = layer ? "layers." + std::to_string(*layer) + "." : "";
    return prefix + numbered(module, expert) + (part.empty() ? "" : ".") + std::string(part);
}

class TensorTranslator {
  public:
    TensorTranslator(const Architecture& architecture, FileKind kind, ModelManifest& out)
        : architecture_(architecture), kind_(kind), out_(out), sizes_(out) {}

    Status add(const SourceTensor& t) {
        const auto name = take_apart(layer_prefix(kind_, architecture_), t.name);
        const auto found = name ? find_rule(*name) : Found{};
        if (found.rule == nullptr || (name->layer && *name->layer >= sizes_.layers)) {
            return tensor_fault(t, "is no part of architecture '" + std::string(architecture_.name) + "'",
                                Code::kUnimplemented);
        }
        const ModuleRule& rule = *found.rule;
        const bool bias = !rule.whole && name->part == "bias";
        const auto expected = sizes_.shape(rule, kind_, bias);
        const bool one_row = rule.out == Dim::kOne && t.shape.size() == 1 && t.shape[0] == expected.back();
        if (!std::ranges::equal(t.shape, expected) && !one_row) {
            return tensor_fault(
                t, "has shape " + shape_text(t.shape) + ", the hyperparameters give " + shape_text(expected),
                Code::kDataLoss);
        }
        const uint64_t copies = rule.stacked ? sizes_.experts : 1;
        for (uint64_t i = 0; i < copies; ++i) {
            const Slice all{t.offset + t.nbytes / copies * i,
                            t.nbytes / copies,
                            {expected.begin() + (rule.stacked ? 1 : 0), expected.end()}};
            add_parts(rule, rule.stacked ? i : found.expert, *name, t, all);
        }
        return ok();
    }

    /// Every tensor that the architecture needs must be there.
    Status check_complete(std::string_view file) const {
        const bool tied = std::get<bool>(out_.hyper.find("tie_embeddings")->second);
        for (const auto& rule : architecture_.global_modules) {
            const bool needed = rule.required || (rule.canonical == "output" && !tied);
            GANTRY_CHECK_OK(check_module(rule, std::nullopt, needed, file));
        }
        for (uint64_t layer = 0; layer < sizes_.layers; ++layer) {
            for (const auto& rule : architecture_.layer_modules) {
                const bool needed = rule.required && sizes_.has(rule.layers, layer);
                GANTRY_CHECK_OK(check_module(rule, layer, needed, file));
            }
        }
        return ok();
    }

  private:
    struct Found {
        const ModuleRule* rule = nullptr;
        uint64_t expert = 0;
    };
    /// Bytes of a tensor.
    struct Slice {
        uint64_t offset = 0;
        uint64_t nbytes = 0;
        std::vector<uint64_t> shape;
    };

    Found find_rule(const TensorName& name) const {
        const std::string all = std::string(name.module) + "." + std::string(name.part);
        for (const ModuleRule& rule : name.layer ? architecture_.layer_modules : architecture_.global_modules) {
            const auto pattern = name_in(kind_, rule);
            if (pattern.empty() ||
                (name.layer && *name.layer < sizes_.layers && !sizes_.has(rule.layers, *name.layer))) {
                continue;
            }
            const auto expert = match(pattern, rule.whole ? std::string_view(all) : name.module);
            const bool known = rule.whole || name.part == "weight" || (name.part == "bias" && rule.bias != Bias::kNone);
            const bool numbered_right = pattern.find('*') == std::string_view::npos || expert < sizes_.experts;
            if (expert && known && numbered_right) return {&rule, *expert};
        }
        return {};
    }

    void add_parts(const ModuleRule& rule, uint64_t expert, const TensorName& name, const SourceTensor& t, Slice all) {
        const std::string_view part = rule.whole ? std::string_view() : name.part;
        if (rule.parts.empty()) {
            return add_entry(canonical_name(rule.canonical, expert, name.layer, part), t, std::move(all));
        }
        const uint64_t row = all.nbytes / all.shape[0];
        for (const ModulePart& p : rule.parts) {
            Slice slice{all.offset, row * sizes_.at(p.out), all.shape};
            slice.shape[0] = sizes_.at(p.out);
            all.offset += slice.nbytes;
            add_entry(canonical_name(p.canonical, expert, name.layer, part), t, std::move(slice));
        }
    }

    void add_entry(std::string name, const SourceTensor& t, Slice slice) {
        TensorEntry entry;
        entry.name = std::move(name);
        entry.dtype = t.dtype;
        entry.shape = std::move(slice.shape);
        entry.file = t.file;
        entry.offset = slice.offset;
        entry.nbytes = slice.nbytes;
        present_.insert(entry.name);
        out_.tensors.push_back(std::move(entry));
    }

    Status check_module(const ModuleRule& rule, std::optional<uint64_t> layer, bool needed,
                        std::string_view file) const {
        if (!needed || name_in(kind_, rule).empty()) return ok();
        const bool starred = rule.stacked || name_in(kind_, rule).find('*') != std::string_view::npos;
        const std::string_view canonical = rule.parts.empty() ? rule.canonical : rule.parts.front().canonical;
        for (const std::string_view part : {"weight", "bias"}) {
            if (part == "bias" && (rule.whole || rule.bias != Bias::kRequired)) continue;
            const std::string_view suffix = rule.whole ? std::string_view() : part;
            for (uint64_t expert = 0; expert < (starred ? sizes_.experts : 1); ++expert) {
                if (present_.contains(canonical_name(canonical, expert, layer, suffix))) continue;
                std::string name = numbered(name_in(kind_, rule), expert);
                if (layer) {
                    name.insert(0, std::string(layer_prefix(kind_, architecture_)) + std::to_string(*layer) + ".");
                }
                name.append(suffix.empty() ? "" : ".").append(suffix);
                return Error{Code::kDataLoss, std::string(file) + ": tensor '" + name + "' is missing",
                             "the file is incomplete or is not what its architecture says"};
            }
        }
        return ok();
    }

    const Architecture& architecture_;
    FileKind kind_;
    ModelManifest& out_;
    Sizes sizes_;
    std::set<std::string, std::less<>> present_;
};
/// Layers beyond the model's own, which predict further tokens (GLM-4.5, DeepSeek-V3).
bool is_extra_layer(const Architecture& architecture, FileKind kind, uint64_t layers, std::string_view name) {
    if (architecture.name != "glm4moe") return false;
    const auto parts = take_apart(layer_prefix(kind, architecture), name);
    return parts && parts->layer && *parts->layer == layers;
}

}  // namespace

std::string global_name(const Architecture& architecture, FileKind kind, std::string_view canonical) {
    const auto it = std::ranges::find(architecture.global_modules, canonical, &ModuleRule::canonical);
    return std::string(name_in(kind, *it)) + ".weight";
}

Status translate_tensors(const Architecture& architecture, FileKind kind, std::span<const SourceTensor> tensors,
                         std::string_view file, ModelManifest& out) {
    const std::string head = global_name(architecture, kind, "output");
    const auto layers = static_cast<uint64_t>(std::get<int64_t>(out.hyper.at("layer_count")));
    const bool tied = std::get<bool>(out.hyper.find("tie_embeddings")->second);
    TensorTranslator translator(architecture, kind, out);
    for (const auto& t : tensors) {
        // A tied model's file may hold the head a second time; the embedding is the one that counts.
        if (!is_ignored_tensor(kind, t.name) && !(tied && t.name == head) &&
            !is_extra_layer(architecture, kind, layers, t.name)) {
            GANTRY_CHECK_OK(translator.add(t));
        }
    }
    return translator.check_complete(file);
}

}  // namespace gantry::registry
