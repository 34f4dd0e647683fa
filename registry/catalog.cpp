#include "registry/catalog.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace gantry::registry {
namespace {

constexpr std::array<std::pair<ModelKind, std::string_view>, 7> kKinds{{{ModelKind::kLlm, "LLM"},
                                                                        {ModelKind::kEmbedding, "embedding"},
                                                                        {ModelKind::kRerank, "rerank"},
                                                                        {ModelKind::kImage, "image"},
                                                                        {ModelKind::kAudio, "audio"},
                                                                        {ModelKind::kVideo, "video"},
                                                                        {ModelKind::kFlexible, "flexible"}}};

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

bool usable_name(std::string_view name) {
    const auto allowed = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view("._-+").find(c) != std::string_view::npos;
    };
    return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, allowed) && name[0] != '.' &&
           name[0] != '-';
}

constexpr std::string_view kQuantization = "{quantization}";

std::string filled(std::string text, std::string_view place, std::string_view value) {
    for (size_t at = text.find(place); at != std::string::npos; at = text.find(place, at + value.size())) {
        text.replace(at, place.size(), value);
    }
    return text;
}

}  // namespace

std::string_view model_kind_name(ModelKind kind) {
    return std::ranges::find(kKinds, kind, &std::pair<ModelKind, std::string_view>::first)->second;
}

std::optional<ModelKind> model_kind_from_name(std::string_view name) {
    for (const auto& [kind, text] : kKinds) {
        if (equal_ignoring_case(text, name)) {
            return kind;
        }
    }
    return std::nullopt;
}

std::string normalized_size(std::string_view size) {
    std::string out(size);
    std::ranges::replace(out, '_', '.');
    return out;
}

std::string normalized_format(std::string_view format) {
    return std::string(format == "ggufv2" ? "gguf" : format == "pytorch" ? "safetensors" : format);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

std::string ModelSpec::file_for(const std::string& quantization) const {
    const auto it = parts.find(quantization);
    if (it == parts.end()) {
        return filled(file, kQuantization, quantization);
    }
    const std::string count = std::to_string(it->second);
    const std::string part = "00001-of-" + std::string(count.size() < 5 ? 5 - count.size() : 0, '0') + count;
    std::string name = split_file;
    if (name.empty()) {
        name = file;
        name.insert(name.ends_with(".gguf") ? name.size() - 5 : name.size(), "-{part}");
    }
    return filled(filled(std::move(name), kQuantization, quantization), "{part}", part);
}

std::string ModelSpec::repository(std::string_view hub, const std::string& quantization) const {
    const auto it = hubs.find(std::string(hub));
    return it == hubs.end() ? std::string() : filled(it->second, kQuantization, quantization);
}

Status Catalog::add(CatalogEntry entry) {
    std::vector<std::string> names = entry.aliases;
    names.push_back(entry.name);
    for (const auto& name : names) {
        if (!usable_name(name)) {
            return Error{Code::kInvalidArgument, "'" + name + "' cannot be a model's name",
                         "use letters, digits and . _ - +, at most 128"};
        }
        if (find(name) != nullptr) {
            return Error{Code::kAlreadyExists, "a model named '" + name + "' is already registered"};
        }
    }
    entries_.push_back(std::move(entry));
    return ok();
}

Status Catalog::remove(std::string_view name) {
    const auto it = std::ranges::find(entries_, name, &CatalogEntry::name);
    if (it == entries_.end()) {
        return Error{Code::kNotFound, "no model named '" + std::string(name) + "' is registered"};
    }
    entries_.erase(it);
    return ok();
}

const CatalogEntry* Catalog::find(std::string_view name) const {
    const auto search = [&](auto matches) -> const CatalogEntry* {
        const auto it = std::ranges::find_if(entries_, [&](const CatalogEntry& e) {
            return matches(e.name) || std::ranges::any_of(e.aliases, matches);
        });
        return it == entries_.end() ? nullptr : &*it;
    };
    const auto* exact = search([&](const std::string& n) { return n == name; });
    return exact != nullptr ? exact : search([&](const std::string& n) { return equal_ignoring_case(n, name); });
}

std::vector<std::string> Catalog::nearest(std::string_view name, size_t limit) const {
    struct Candidate {
        size_t distance;
        std::string name;
    };
    const std::string wanted = lowered(name.substr(0, 128));
    std::vector<Candidate> candidates;
    const auto consider = [&](const std::string& known, const std::string& shown) {
        const std::string other = lowered(known);
        const size_t distance = edit_distance(wanted, other);
        const bool contains = wanted.size() >= 3 && other.find(wanted) != std::string::npos;
        if (contains || distance <= std::max<size_t>(2, wanted.size() / 3)) {
            candidates.push_back({contains ? std::min<size_t>(distance, 2) : distance, shown});
        }
    };
    for (const auto& entry : entries_) {
        consider(entry.name, entry.name);
        for (const auto& alias : entry.aliases) {
            consider(alias, entry.name);
        }
    }
    std::ranges::stable_sort(candidates, {}, &Candidate::distance);
    std::vector<std::string> out;
    for (const auto& c : candidates) {
        if (out.size() < limit && std::ranges::find(out, c.name) == out.end()) {
            out.push_back(c.name);
        }
    }
    return out;
}

}  // namespace gantry::registry
