/// gantry search: the catalog, without a server.

#include <algorithm>
#include <iostream>
#include <set>

#include "api/cli/command_list.hpp"
#include "api/cli/terminal.hpp"
#include "base/json.hpp"
#include "base/paths.hpp"
#include "registry/estimate.hpp"
#include "registry/registry.hpp"
#include "runtime/fleet/machine.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;
using registry::CatalogEntry;

std::string joined(const auto& texts, std::string_view between) {
    std::string out;
    for (const auto& text : texts) {
        out.append(out.empty() ? "" : between).append(text);
    }
    return out;
}

bool contains(std::string_view text, std::string_view word) {
    const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
    return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

/// Every word stands in the name, an alias, the description or a hub's repository.
bool matches(const CatalogEntry& entry, const std::vector<std::string>& words) {
    return std::ranges::all_of(words, [&](const std::string& word) {
        return contains(entry.name, word) || contains(entry.description, word) ||
               std::ranges::any_of(entry.aliases, [&](const auto& alias) { return contains(alias, word); }) ||
               std::ranges::any_of(entry.specs, [&](const auto& spec) {
                   return std::ranges::any_of(spec.hubs, [&](const auto& hub) { return contains(hub.second, word); });
               });
    });
}

struct Found {
    const CatalogEntry* entry;
    bool known;  ///< its architecture, by Gantry's own backends
    std::optional<registry::Choice> choice;
    std::optional<registry::ModelRef> here;
};

/// In a few words whether a model runs on this machine.
std::string verdict(const Found& found) {
    if (!found.known) {
        return "needs another backend";
    }
    if (!found.choice) {
        const bool sized =
            std::ranges::any_of(found.entry->specs, [](const auto& spec) { return !spec.size_in_billions.empty(); });
        return found.here ? "yes" : sized ? "too large" : "unknown";
    }
    std::string out = found.choice->spec->size_in_billions + "B";
    if (!found.choice->quantization.empty()) {
        out += " " + found.choice->quantization;
    }
    return out + ", " + human_bytes(static_cast<uint64_t>(found.choice->bytes));
}

std::vector<std::string> sizes_of(const CatalogEntry& entry) {
    std::vector<std::string> out;
    for (const auto& spec : entry.specs) {
        const std::string size = registry::normalized_size(spec.size_in_billions);
        if (!size.empty() && std::ranges::find(out, size) == out.end()) {
            out.push_back(size);
        }
    }
    std::ranges::sort(out, {}, [](const std::string& s) { return std::stod(s); });
    return out;
}

json::object as_json(const Found& found) {
    json::array specs;
    for (const auto& spec : found.entry->specs) {
        json::object bytes;
        const std::vector<std::string> none{"none"};
        for (const auto& quantization : spec.quantizations.empty() ? none : spec.quantizations) {
            bytes[quantization] = registry::weight_bytes(spec, quantization);
        }
        json::object hubs;
        for (const auto& [hub, repository] : spec.hubs) {
            hubs[hub] = repository;
        }
        specs.emplace_back(json::object{{"format", spec.format},
                                        {"size_in_billions", spec.size_in_billions},
                                        {"hubs", std::move(hubs)},
                                        {"bytes", std::move(bytes)}});
    }
    json::object out{{"name", found.entry->name},
                     {"type", registry::model_kind_name(found.entry->kind)},
                     {"description", found.entry->description},
                     {"licence", found.entry->licence},
                     {"context_length", found.entry->context_length},
                     {"abilities", json::array(found.entry->abilities.begin(), found.entry->abilities.end())},
                     {"specs", std::move(specs)},
                     {"architecture_known", found.known},
                     {"path", nullptr},
                     {"runs_here", nullptr}};
    if (found.here) {
        out["path"] = found.here->path.string();
    }
    if (found.known && found.choice) {
        out["runs_here"] = json::object{{"format", found.choice->spec->format},
                                        {"size_in_billions", found.choice->spec->size_in_billions},
                                        {"quantization", found.choice->quantization},
                                        {"bytes", found.choice->bytes}};
    }
    return out;
}

/// All forms of one model.
void print_forms(const CatalogEntry& entry) {
    std::vector<std::vector<std::string>> rows{{"FORMAT", "SIZE", "QUANTISATIONS", "BYTES", "HUBS"}};
    for (const auto& spec : entry.specs) {
        int64_t least = 0, most = 0;
        const std::vector<std::string> none{""};
        for (const auto& quantization : spec.quantizations.empty() ? none : spec.quantizations) {
            const int64_t bytes = registry::weight_bytes(spec, quantization);
            least = least == 0 ? bytes : std::min(least, bytes);
            most = std::max(most, bytes);
        }
        std::string bytes = most == 0 ? "?" : human_bytes(static_cast<uint64_t>(least));
        if (least < most) {
            bytes += " - " + human_bytes(static_cast<uint64_t>(most));
        }
        std::vector<std::string> hubs;
        for (const auto& [hub, repository] : spec.hubs) {
            hubs.push_back(hub + ":" + repository);
        }
        rows.push_back({spec.format, spec.size_in_billions.empty() ? "?" : spec.size_in_billions + "B",
                        joined(spec.quantizations, " "), bytes, joined(hubs, " ")});
    }
    std::cout << table(rows);
}

}  // namespace

int cmd_search(const Arguments& args) {
    const auto registry = registry::Registry::open(registry::RegistryPaths::standard(paths::share_dir()));
    if (!registry) {
        return fail(registry.error());
    }
    std::optional<registry::ModelKind> kind;
    if (const auto type = args.value("type")) {
        kind = registry::model_kind_from_name(*type);
        if (!kind) {
            return fail({Code::kInvalidArgument, "there is no type of model '" + *type + "'",
                         "LLM, embedding, rerank, image, audio, video and flexible are the types"});
        }
    }
    const auto abilities = args.values("ability");
    const uint64_t memory = fleet::memory_for_models(fleet::memory_total());
    std::vector<Found> all;
    for (const CatalogEntry& entry : registry->catalog().entries()) {
        const bool able = std::ranges::all_of(abilities, [&](const std::string& ability) {
            return std::ranges::find(entry.abilities, ability) != entry.abilities.end();
        });
        if ((kind && entry.kind != *kind) || !able || !matches(entry, args.operands)) {
            continue;
        }
        auto here = registry->resolve(entry.name);
        Found found{&entry, registry::architecture_known(entry), registry::best_fit(entry, memory), std::nullopt};
        if (here) {
            found.here = std::move(*here);
        }
        const bool runs = found.known && (found.choice || found.here);
        if ((args.has("runs") && !runs) || (args.has("here") && !found.here)) {
            continue;
        }
        all.push_back(std::move(found));
    }
    if (args.has("json")) {
        json::array out;
        for (const Found& found : all) {
            out.emplace_back(as_json(found));
        }
        std::cout << json::serialize(out) << "\n";
        return all.empty() ? 1 : 0;
    }
    if (all.empty()) {
        const auto near =
            args.operands.empty() ? std::vector<std::string>{} : registry->catalog().nearest(args.operands[0]);
        return fail(
            {Code::kNotFound, "no model of the catalog is like that",
             near.empty() ? "gantry search without words lists all" : "did you mean " + joined(near, ", ") + "?"});
    }
    if (args.has("quiet")) {
        for (const Found& found : all) {
            std::cout << found.entry->name << "\n";
        }
        return 0;
    }
    std::vector<std::vector<std::string>> rows{
        {"NAME", "TYPE", "SIZES (B)", "CONTEXT", "ABILITIES", "RUNS HERE", "ON DISK"}};
    for (const Found& found : all) {
        rows.push_back({found.entry->name, std::string(registry::model_kind_name(found.entry->kind)),
                        joined(sizes_of(*found.entry), " "),
                        found.entry->context_length > 0 ? std::to_string(found.entry->context_length) : "",
                        joined(found.entry->abilities, " "), verdict(found), found.here ? "yes" : ""});
    }
    std::cout << table(rows);
    const CatalogEntry* named = args.operands.size() == 1 ? registry->catalog().find(args.operands[0]) : nullptr;
    if (named != nullptr || all.size() == 1) {
        std::cout << "\n";
        print_forms(named != nullptr ? *named : *all.front().entry);
    }
    return 0;
}

}  // namespace gantry::cli
