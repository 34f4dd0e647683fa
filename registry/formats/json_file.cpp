#include "registry/formats/json_file.hpp"

#include <fstream>

#include "registry/formats/fault.hpp"
#include "registry/formats/json_cursor.hpp"

namespace gantry::registry {

const boost::json::value* JsonFile::find(std::string_view key) const {
    const auto* value = root.if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
}

Error JsonFile::fault(std::string_view key, std::string_view problem, Code code, std::string_view hint) const {
    return file_fault(path.string(), in_quotes(key), json_key_offset(text, key), problem, code, hint);
}

Result<std::optional<std::string>> JsonFile::text_of(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<std::string>();
    }
    if (!value->is_string()) {
        return fault(key, "must be a string");
    }
    return std::optional<std::string>(value->get_string());
}

Result<std::optional<std::string>> read_text_file(const std::filesystem::path& path, uint64_t limit) {
    std::error_code ec;
    const auto status = std::filesystem::status(path, ec);
    if (!std::filesystem::exists(status)) {
        return std::optional<std::string>();
    }
    if (!std::filesystem::is_regular_file(status)) {
        return Error{Code::kDataLoss, path.string() + " is not a regular file"};
    }
    const auto size = std::filesystem::file_size(path, ec);
    if (!ec && size > limit) {
        return Error{Code::kTooLarge, path.string() + " has " + std::to_string(size) + " bytes, more than the " +
                                          std::to_string(limit) + " that such a file may have"};
    }
    std::ifstream in(path, std::ios::binary);
    std::string text(ec ? 0 : size, '\0');
    if (ec || !in || !in.read(text.data(), static_cast<std::streamsize>(size))) {
        return Error{Code::kPermissionDenied, "cannot read " + path.string()};
    }
    return std::optional<std::string>(std::move(text));
}

Result<JsonFile> parse_json(std::string text, const std::filesystem::path& path) {
    JsonFile out;
    out.path = path;
    out.text = std::move(text);
    boost::json::parse_options options;
    options.max_depth = 64;
    boost::json::parser parser({}, options);
    boost::json::error_code ec;
    const size_t consumed = parser.write(out.text, ec);
    if (ec) {
        return file_fault(path.string(), "JSON", consumed, ec.message());
    }
    auto value = parser.release();
    if (!value.is_object()) {
        return file_fault(path.string(), "JSON", 0, "must be an object");
    }
    out.root = std::move(value.get_object());
    return out;
}

Result<std::optional<JsonFile>> read_json_file(const std::filesystem::path& path, uint64_t limit) {
    GANTRY_TRY(auto text, read_text_file(path, limit));
    if (!text) {
        return std::optional<JsonFile>();
    }
    GANTRY_TRY(auto json, parse_json(std::move(*text), path));
    return std::optional<JsonFile>(std::move(json));
}

}  // namespace gantry::registry
