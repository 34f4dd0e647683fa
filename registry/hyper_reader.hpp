#pragma once

/// What translating hyperparameters takes everywhere.

#include <algorithm>

#include "registry/architectures.hpp"

namespace gantry::registry {

inline constexpr int64_t kMaxSize = (int64_t{1} << 31) - 1;

/// Reads one file's keys into one manifest; both outlive it.
class HyperReader {
  public:
    HyperReader(const Architecture& architecture, FileKind kind, const HyperSource& source, ModelManifest& out)
        : architecture_(architecture), gguf_(kind == FileKind::kGguf), in_(source), out_(out) {}

    std::string_view key(std::string_view gguf, std::string_view hf) const { return gguf_ ? gguf : hf; }
    int64_t integer(std::string_view name) const { return std::get<int64_t>(out_.hyper.find(name)->second); }

    /// Of names separated by '|' the first that the file has, as a number or flag; the first of all if none.
    std::string_view first_name(std::string_view names) const {
        const std::string_view first = names.substr(0, names.find('|'));
        while (!names.empty()) {
            const auto name = names.substr(0, names.find('|'));
            const auto value = in_.integer(name);
            if (!value || value->has_value()) {  // a fault: it is there
                return name;
            }
            names.remove_prefix(std::min(names.size(), name.size() + 1));
        }
        return first;
    }

    /// A number above zero; `fallback` where the key is absent.
    Result<double> positive_number(std::string_view source_key, std::optional<double> fallback) const {
        GANTRY_TRY(const auto value, in_.number(source_key));
        if (!value && !fallback) {
            return in_.fault(source_key, "required key is missing");
        }
        const double number = value ? *value : *fallback;
        if (!(number > 0)) {
            return in_.fault(source_key, "must be above zero");
        }
        return number;
    }

    const Architecture& architecture_;
    bool gguf_;
    const HyperSource& in_;
    ModelManifest& out_;
};

/// The rotary embedding (hyper_rope.cpp).
Status translate_rope(const Architecture& architecture, FileKind kind, const HyperSource& source, ModelManifest& out);

}  // namespace gantry::registry
