#include "runtime/grammar/schema/document.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace bj = boost::json;

namespace {

// Where the schemas inside a schema are; identifiers in other places (const, enum, examples) are data.
constexpr std::array<std::string_view, 13> kOne{"additionalProperties",
                                                "additionalItems",
                                                "contains",
                                                "not",
                                                "if",
                                                "then",
                                                "else",
                                                "propertyNames",
                                                "unevaluatedItems",
                                                "unevaluatedProperties",
                                                "items",
                                                "contentSchema",
                                                "extends"};
constexpr std::array<std::string_view, 5> kList{"allOf", "anyOf", "oneOf", "prefixItems", "items"};
constexpr std::array<std::string_view, 6> kMap{"properties",  "patternProperties", "$defs",
                                               "definitions", "dependentSchemas",  "dependencies"};

template <class List>
bool has(const List& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

std::string_view text_member(const bj::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

bool is_old(std::string_view dialect) {
    return dialect.find("draft-07") != std::string_view::npos || dialect.find("draft-06") != std::string_view::npos ||
           dialect.find("draft-04") != std::string_view::npos || dialect.find("draft-03") != std::string_view::npos;
}

std::string_view without_fragment(std::string_view uri) { return uri.substr(0, uri.find('#')); }

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
            std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0) {
            out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

size_t scheme_length(std::string_view uri) {
    size_t i = 0;
    while (i < uri.size() &&
           (std::isalnum(static_cast<unsigned char>(uri[i])) != 0 || uri[i] == '+' || uri[i] == '-' || uri[i] == '.')) {
        ++i;
    }
    return i > 0 && i < uri.size() && uri[i] == ':' ? i + 1 : 0;
}

std::string without_dots(std::string_view path) {
    std::vector<std::string_view> parts;
    const bool rooted = path.starts_with('/');
    bool folder = false;
    for (size_t i = rooted ? 1 : 0; i <= path.size();) {
        const size_t end = std::min(path.find('/', i), path.size());
        const auto part = path.substr(i, end - i);
        folder = part == "." || part == "..";
        if (part == ".." && !parts.empty()) {
            parts.pop_back();
        } else if (!folder) {
            parts.push_back(part);
        }
        i = end + 1;
    }
    std::string out = rooted ? "/" : "";
    for (size_t i = 0; i < parts.size(); ++i) {
        out += (i > 0 ? "/" : "");
        out += parts[i];
    }
    return folder && !out.ends_with('/') ? out + "/" : out;
}

}  // namespace

std::string pointer_step(std::string_view pointer, std::string_view step) {
    std::string out = std::string(pointer) + "/";
    for (const char c : step) {
        out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return out;
}

std::string resolve_uri(std::string_view base, std::string_view reference) {
    if (scheme_length(reference) > 0) {
        return std::string(reference);
    }
    base = without_fragment(base);
    if (reference.empty() || reference.starts_with('#')) {
        return std::string(base) + std::string(reference);
    }
    const size_t scheme = scheme_length(base);
    if (reference.starts_with("//")) {
        return std::string(base.substr(0, scheme)) + std::string(reference);
    }
    size_t path = scheme;
    if (base.substr(scheme).starts_with("//")) {
        path = std::min(base.find('/', scheme + 2), base.size());
    }
    const auto tail_at = std::min(reference.find_first_of("?#"), reference.size());
    std::string merged;
    if (reference.starts_with('/')) {
        merged = reference.substr(0, tail_at);
    } else {
        const auto old = base.substr(path, base.find('?', path) - path);
        merged = std::string(old.substr(0, old.rfind('/') + 1)) + std::string(reference.substr(0, tail_at));
        if (path > scheme && !merged.starts_with('/')) {
            merged.insert(0, "/");
        }
    }
    return std::string(base.substr(0, path)) + without_dots(merged) + std::string(reference.substr(tail_at));
}

SchemaDocument::SchemaDocument(bj::value root) : root_(std::move(root)) {
    Place place;
    resources_.emplace("", &root_);
    scan(root_, place);
}

void SchemaDocument::scan(const bj::value& value, const Place& around) {
    if (places_.contains(&value)) {
        return;
    }
    Place place = around;
    const auto* object = value.if_object();
    if (object == nullptr) {
        places_.emplace(&value, std::move(place));
        return;
    }
    if (const auto dialect = text_member(*object, "$schema"); !dialect.empty()) {
        place.draft7 = is_old(dialect);
    }
    auto id = text_member(*object, "$id");
    if (id.empty() && place.draft7) {
        id = text_member(*object, "id");
    }
    if (place.draft7 && object->contains("$ref")) {
        id = {};  // next to $ref draft 7 sees nothing else
    }
    if (id.starts_with('#')) {
        anchors_.emplace(place.base + std::string(id), &value);
    } else if (!id.empty()) {
        const std::string uri = resolve_uri(place.base, id);
        place.base = without_fragment(uri);
        resources_.emplace(place.base, &value);
        if (const auto hash = uri.find('#'); hash != std::string::npos && hash + 1 < uri.size()) {
            anchors_.emplace(uri, &value);
        }
    }
    for (const std::string_view keyword : {"$anchor", "$dynamicAnchor"}) {
        if (const auto name = text_member(*object, keyword); !name.empty()) {
            anchors_.emplace(place.base + "#" + std::string(name), &value);
            dynamic_anchors_[std::string(name)] += keyword == "$dynamicAnchor" ? 1 : 0;
        }
    }
    if (const auto* recursive = object->if_contains("$recursiveAnchor"); recursive != nullptr && *recursive == true) {
        dynamic_anchors_[""] += 2;
    }
    places_.emplace(&value, place);
    scan_members(*object, place);
}

void SchemaDocument::scan_members(const bj::object& object, const Place& place) {
    for (const auto& member : object) {
        const std::string_view name = member.key();
        const bj::value& value = member.value();
        Place inside = place;
        inside.pointer = pointer_step(place.pointer, name);
        if (has(kOne, name) && !value.is_array()) {
            scan(value, inside);
        } else if (has(kList, name) && value.is_array()) {
            for (size_t i = 0; i < value.get_array().size(); ++i) {
                Place item = inside;
                item.pointer = pointer_step(inside.pointer, std::to_string(i));
                scan(value.get_array()[i], item);
            }
        } else if (has(kMap, name) && value.is_object()) {
            for (const auto& entry : value.get_object()) {
                Place item = inside;
                item.pointer = pointer_step(inside.pointer, entry.key());
                scan(entry.value(), item);
            }
        }
    }
}

uint32_t SchemaDocument::add(const bj::value& value, const Place& place) {
    const auto [at, fresh] = numbers_.emplace(&value, static_cast<uint32_t>(sources_.size()));
    if (fresh) {
        sources_.push_back({&value, place.base, place.pointer, place.draft7});
    }
    return at->second;
}

uint32_t SchemaDocument::root_number() { return add(root_, places_.at(&root_)); }

uint32_t SchemaDocument::number(const bj::value& value, const SchemaSource& parent, std::string_view step) {
    if (!places_.contains(&value)) {
        scan(value, {parent.base, parent.pointer + std::string(step), parent.draft7});
    }
    return add(value, places_.at(&value));
}

uint32_t SchemaDocument::reference(const SchemaSource& from, std::string_view reference) {
    const std::string uri = resolve_uri(from.base, reference);
    const std::string resource(without_fragment(uri));
    const std::string fragment = uri.size() > resource.size() ? percent_decoded(uri.substr(resource.size() + 1)) : "";
    const auto found = resources_.find(resource);
    if (found == resources_.end()) {
        throw SchemaError(
            fmt::format("\"{}\" is in another document; only references inside the schema are followed", reference));
    }
    const bj::value* at = found->second;
    if (fragment.empty()) {
        return add(*at, places_.at(at));
    }
    if (!fragment.starts_with('/')) {
        const auto anchor = anchors_.find(resource + "#" + fragment);
        if (anchor == anchors_.end()) {
            throw SchemaError(fmt::format("there is no anchor for \"{}\"", reference));
        }
        return add(*anchor->second, places_.at(anchor->second));
    }
    Place place = places_.at(at);
    for (size_t i = 1; i <= fragment.size();) {
        const size_t end = std::min(fragment.find('/', i), fragment.size());
        std::string step;
        for (size_t j = i; j < end; ++j) {
            const bool escaped = fragment[j] == '~' && j + 1 < end;
            step += !escaped ? fragment[j] : fragment[++j] == '1' ? '/' : '~';
        }
        const bj::value* next = nullptr;
        if (const auto* object = at->if_object()) {
            next = object->if_contains(step);
        } else if (const auto* array = at->if_array();
                   array != nullptr && !step.empty() && step.size() < 9 &&
                   std::all_of(step.begin(), step.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
            next = array->if_contains(std::stoul(step));
        }
        if (next == nullptr) {
            throw SchemaError(fmt::format("\"{}\" points to nothing", reference));
        }
        at = next;
        place.pointer = pointer_step(place.pointer, step);
        if (const auto known = places_.find(at); known != places_.end()) {
            place = known->second;
        }
        i = end + 1;
    }
    scan(*at, place);
    return add(*at, places_.at(at));
}

uint32_t SchemaDocument::dynamic_reference(const SchemaSource& from, std::string_view reference) {
    const auto hash = reference.find('#');
    const auto name = hash == std::string_view::npos ? std::string_view() : reference.substr(hash + 1);
    if (const auto count = dynamic_anchors_.find(name); count != dynamic_anchors_.end() && count->second > 1) {
        throw SchemaError(
            fmt::format("what \"{}\" means depends on where it is reached from, which is not supported", reference));
    }
    return this->reference(from, reference);
}

}  // namespace gantry::grammar
