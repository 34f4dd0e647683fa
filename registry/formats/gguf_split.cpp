// Opening a GGUF model that may consist of several files. llama.cpp's convention: every part carries split.no and
// split.count, the first also all other keys, and the names end in -00001-of-00003.gguf.

#include <charconv>
#include <set>

#include "registry/formats/fault.hpp"
#include "registry/formats/gguf.hpp"

namespace gantry::registry {
namespace {

std::string five_digits(uint32_t n) {
    const std::string text = std::to_string(n);
    return std::string(text.size() < 5 ? 5 - text.size() : 0, '0') + text;
}

std::optional<uint32_t> parse_five_digits(std::string_view text) {
    uint32_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = text.size() == 5 && result.ec == std::errc() && result.ptr == text.data() + text.size();
    return whole ? std::optional(value) : std::nullopt;
}

/// split.no, split.count or split.tensors.count; `fallback` where absent.
Result<uint64_t> split_key(const GgufFile& file, std::string_view key, uint64_t fallback) {
    const auto* entry = file.find(key);
    if (entry == nullptr) {
        return fallback;
    }
    if (const auto* u = std::get_if<uint64_t>(&entry->value)) {
        return *u;
    }
    if (const auto* s = std::get_if<int64_t>(&entry->value); s != nullptr && *s >= 0) {
        return static_cast<uint64_t>(*s);
    }
    return file_fault(file.origin, in_quotes(key) + " value", entry->offset, "must be a non-negative integer");
}

Status add_part(const std::filesystem::path& path, GgufModel& model) {
    GANTRY_TRY(auto mapped, MappedFile::open(path));
    auto file = std::make_shared<const MappedFile>(std::move(mapped));
    GANTRY_TRY(auto parsed, parse_gguf(file->bytes(), path.string()));
    model.parts.push_back(std::move(parsed));
    model.paths.push_back(path);
    model.files.push_back(std::move(file));
    return ok();
}

uint64_t offset_of(const GgufFile& file, std::string_view key) {
    const auto* entry = file.find(key);
    return entry == nullptr ? 0 : entry->offset;
}

Status check_parts(const GgufModel& model, uint64_t count) {
    std::set<std::string_view> names;
    for (size_t i = 0; i < model.parts.size(); ++i) {
        const auto& part = model.parts[i];
        GANTRY_TRY(const uint64_t number, split_key(part, "split.no", 0));
        GANTRY_TRY(const uint64_t own_count, split_key(part, "split.count", 1));
        if (number != i || own_count != count) {
            return file_fault(part.origin, "'split.no' value", offset_of(part, "split.no"),
                              "is part " + std::to_string(number + 1) + " of " + std::to_string(own_count) +
                                  ", by its name it should be part " + std::to_string(i + 1) + " of " +
                                  std::to_string(count));
        }
        for (const auto& t : part.tensors) {
            if (!names.insert(t.name).second) {
                return file_fault(part.origin, "tensor " + in_quotes(t.name) + " name", t.info_offset,
                                  "occurs in an earlier part too");
            }
        }
    }
    const auto& first = model.parts.front();
    GANTRY_TRY(const uint64_t tensors, split_key(first, "split.tensors.count", names.size()));
    if (tensors != names.size()) {
        return file_fault(first.origin, "'split.tensors.count' value", offset_of(first, "split.tensors.count"),
                          "is " + std::to_string(tensors) + ", the parts have " + std::to_string(names.size()));
    }
    return ok();
}

}  // namespace

std::string GgufPartName::name_of(uint32_t part) const {
    return prefix + "-" + five_digits(part) + "-of-" + five_digits(count) + ".gguf";
}

std::optional<GgufPartName> parse_gguf_part_name(std::string_view file_name) {
    // "-NNNNN-of-NNNNN.gguf" has 20 characters.
    if (file_name.size() < 20 || !file_name.ends_with(".gguf")) {
        return std::nullopt;
    }
    const auto tail = file_name.substr(file_name.size() - 20);
    const auto number = parse_five_digits(tail.substr(1, 5));
    const auto count = parse_five_digits(tail.substr(10, 5));
    if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !number || !count || *number == 0 || *number > *count) {
        return std::nullopt;
    }
    return GgufPartName{std::string(file_name.substr(0, file_name.size() - 20)), *number, *count};
}

Result<GgufModel> open_gguf(const std::filesystem::path& path) {
    GgufModel model;
    const auto name = parse_gguf_part_name(path.filename().string());
    const auto first = name ? path.parent_path() / name->name_of(1) : path;
    if (name && !std::filesystem::exists(first)) {
        return Error{Code::kDataLoss, first.string() + " is missing: the model's first part holds its description",
                     "put all " + std::to_string(name->count) + " parts into one folder"};
    }
    GANTRY_CHECK_OK(add_part(first, model));
    GANTRY_TRY(const uint64_t count, split_key(model.parts.front(), "split.count", 1));
    if (count > 1 && (!name || name->count != count)) {
        return file_fault(
            first.string(), "'split.count' value", offset_of(model.parts.front(), "split.count"),
            "the model has " + std::to_string(count) + " parts, the file's name does not say so",
            Code::kInvalidArgument,
            "keep the published names, ending in -00001-of-" + five_digits(static_cast<uint32_t>(count)) + ".gguf");
    }
    for (uint32_t part = 2; part <= count; ++part) {
        const auto next = first.parent_path() / name->name_of(part);
        if (!std::filesystem::exists(next)) {
            return Error{Code::kDataLoss,
                         next.string() + " is missing: the model has " + std::to_string(count) + " parts",
                         "fetch the missing part"};
        }
        GANTRY_CHECK_OK(add_part(next, model));
    }
    if (count > 1) {
        GANTRY_CHECK_OK(check_parts(model, count));
    }
    return model;
}

}  // namespace gantry::registry
