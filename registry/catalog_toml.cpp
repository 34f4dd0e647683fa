// The catalog's files: configs/catalog/README.md describes the form.

#include <toml++/toml.h>

#include <algorithm>
#include <array>

#include "registry/catalog.hpp"
#include "registry/formats/fault.hpp"
#include "registry/formats/folder.hpp"

namespace gantry::registry {
namespace {

/// Reads one TOML table; every key must be asked for by name, the rest is unknown.
class TableReader {
  public:
    TableReader(const toml::table& table, const std::string& file) : table_(table), file_(file) {}

    Status text(std::string_view key, std::string& out) {
        return read(key, "a string", [&](const toml::node& node) {
            const auto value = node.value_exact<std::string>();
            out = value.value_or("");
            return value.has_value();
        });
    }

    Status integer(std::string_view key, int64_t& out) {
        return read(key, "a positive integer", [&](const toml::node& node) {
            out = node.value_exact<int64_t>().value_or(0);
            return out > 0;
        });
    }

    Status integers(std::string_view key, std::vector<int64_t>& out) {
        return read(key, "an array of integers", [&](const toml::node& node) {
            const auto* array = node.as_array();
            return array != nullptr && std::ranges::all_of(*array, [&](const toml::node& element) {
                       const auto value = element.value_exact<int64_t>();
                       out.push_back(value.value_or(0));
                       return value.has_value();
                   });
        });
    }

    Status texts(std::string_view key, std::vector<std::string>& out) {
        return read(key, "an array of strings", [&](const toml::node& node) {
            const auto* array = node.as_array();
            return array != nullptr && std::ranges::all_of(*array, [&](const toml::node& element) {
                       const auto value = element.value_exact<std::string>();
                       out.push_back(value.value_or(""));
                       return value.has_value();
                   });
        });
    }

    template <class T>
    Status map(std::string_view key, std::string_view wanted, std::map<std::string, T>& out) {
        return read(key, wanted, [&](const toml::node& node) {
            const auto* table = node.as_table();
            if (table == nullptr) {
                return false;
            }
            for (const auto& [name, element] : *table) {
                const auto value = element.template value_exact<T>();
                if (!value) {
                    return false;
                }
                out.emplace(std::string(name.str()), *value);
            }
            return true;
        });
    }

    /// An array of tables; `each` gets a reader of every one.
    template <class F>
    Status tables(std::string_view key, F each) {
        known_.emplace_back(key);
        const auto* node = table_.get(key);
        if (node == nullptr) {
            return ok();
        }
        const auto* array = node->as_array();
        if (array == nullptr) {
            return fault(*node, in_quotes(key) + " must be an array of tables");
        }
        for (const auto& element : *array) {
            const auto* table = element.as_table();
            if (table == nullptr) {
                return fault(element, in_quotes(key) + " must be an array of tables");
            }
            GANTRY_CHECK_OK(each(*table));
        }
        return ok();
    }

    Status no_other_keys() const {
        for (const auto& [key, node] : table_) {
            if (std::ranges::find(known_, key.str()) == known_.end()) {
                std::string list;
                for (const auto& known : known_) {
                    list.append(list.empty() ? "" : ", ").append(known);
                }
                return fault(node, "unknown key " + in_quotes(key.str()), "known keys: " + list);
            }
        }
        return ok();
    }

    Error fault(const toml::node& node, const std::string& problem, const std::string& hint = {}) const {
        return Error{Code::kInvalidArgument, file_ + ":" + std::to_string(node.source().begin.line) + ": " + problem,
                     hint};
    }
    Error fault(const std::string& problem) const { return fault(table_, problem); }

  private:
    template <class F>
    Status read(std::string_view key, std::string_view wanted, F convert) {
        known_.emplace_back(key);
        const auto* node = table_.get(key);
        if (node != nullptr && !convert(*node)) {
            return fault(*node, in_quotes(key) + " must be " + std::string(wanted));
        }
        return ok();
    }

    const toml::table& table_;
    const std::string& file_;
    std::vector<std::string> known_;
};

Result<ModelSpec> read_spec(const toml::table& table, const std::string& file) {
    ModelSpec out;
    TableReader in(table, file);
    GANTRY_CHECK_OK(in.text("format", out.format));
    GANTRY_CHECK_OK(in.text("size_in_billions", out.size_in_billions));
    GANTRY_CHECK_OK(in.text("activated_in_billions", out.activated_in_billions));
    GANTRY_CHECK_OK(in.texts("quantizations", out.quantizations));
    GANTRY_CHECK_OK(in.map("hub", "a table of repository ids", out.hubs));
    GANTRY_CHECK_OK(in.text("revision", out.revision));
    GANTRY_CHECK_OK(in.text("file", out.file));
    GANTRY_CHECK_OK(in.text("split_file", out.split_file));
    GANTRY_CHECK_OK(in.map("parts", "a table of numbers of files", out.parts));
    GANTRY_CHECK_OK(in.text("path", out.path));
    GANTRY_CHECK_OK(in.no_other_keys());
    if (std::ranges::find(kFormats, out.format) == kFormats.end()) {
        return in.fault("unknown format " + in_quotes(out.format) +
                        ": gguf, safetensors, fp8, awq, gptq, fp4, bnb, mlx and other are known");
    }
    if (out.path.empty() && out.hubs.empty()) {
        return in.fault("a spec needs 'path' or 'hub'");
    }
    if (out.format == "gguf" && out.path.empty() && out.file.empty()) {
        return in.fault("a gguf spec on a hub needs 'file'");
    }
    return out;
}

Result<CatalogEntry> read_entry(const toml::table& table, const std::string& file) {
    CatalogEntry out;
    out.built_in = true;
    TableReader in(table, file);
    std::string type = "LLM";
    GANTRY_CHECK_OK(in.text("name", out.name));
    GANTRY_CHECK_OK(in.texts("aliases", out.aliases));
    GANTRY_CHECK_OK(in.text("type", type));
    GANTRY_CHECK_OK(in.text("description", out.description));
    GANTRY_CHECK_OK(in.integer("context_length", out.context_length));
    GANTRY_CHECK_OK(in.integer("dimensions", out.dimensions));
    GANTRY_CHECK_OK(in.text("family", out.family));
    GANTRY_CHECK_OK(in.texts("architectures", out.architectures));
    GANTRY_CHECK_OK(in.texts("stop", out.stop));
    GANTRY_CHECK_OK(in.integers("stop_token_ids", out.stop_token_ids));
    GANTRY_CHECK_OK(in.texts("abilities", out.abilities));
    GANTRY_CHECK_OK(in.texts("languages", out.languages));
    GANTRY_CHECK_OK(in.text("licence", out.licence));
    GANTRY_CHECK_OK(in.text("tool_parser", out.tool_parser));
    GANTRY_CHECK_OK(in.text("reasoning_parser", out.reasoning_parser));
    GANTRY_CHECK_OK(in.tables("spec", [&](const toml::table& spec) -> Status {
        GANTRY_TRY(auto read, read_spec(spec, file));
        out.specs.push_back(std::move(read));
        return ok();
    }));
    GANTRY_CHECK_OK(in.no_other_keys());
    const auto kind = model_kind_from_name(type);
    if (!kind) {
        return in.fault("unknown type " + in_quotes(type));
    }
    out.kind = *kind;
    if (out.name.empty() || out.specs.empty()) {
        return in.fault(out.name.empty() ? "a model needs 'name'" : "model " + in_quotes(out.name) + " has no 'spec'");
    }
    return out;
}

Status read_file(const std::filesystem::path& path, Catalog& catalog) {
    const std::string file = path.string();
    toml::table root;
    try {
        root = toml::parse_file(file);
    } catch (const toml::parse_error& e) {
        return Error{Code::kInvalidArgument,
                     file + ":" + std::to_string(e.source().begin.line) + ": " + std::string(e.description())};
    }
    TableReader in(root, file);
    GANTRY_CHECK_OK(in.tables("model", [&](const toml::table& table) -> Status {
        GANTRY_TRY(auto entry, read_entry(table, file));
        const auto added = catalog.add(std::move(entry));
        return added ? ok() : Status(in.fault(table, added.error().message, added.error().hint));
    }));
    return in.no_other_keys();
}

}  // namespace

Result<Catalog> Catalog::load(const std::filesystem::path& folder) {
    Catalog out;
    for (const auto& file : entries_of(folder)) {
        if (file.extension() == ".toml") {
            GANTRY_CHECK_OK(read_file(file, out));
        }
    }
    return out;
}

}  // namespace gantry::registry
