#pragma once

/// Safetensors: eight bytes of header length, a JSON header with each tensor's type, shape and place, the data.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.hpp"
#include "base/result.hpp"

namespace gantry::registry {

struct SafetensorsTensor {
    std::string name;
    int32_t dtype = 0;  ///< GANTRY_DTYPE_*
    std::vector<uint64_t> shape;
    uint64_t offset = 0;  ///< of the data, from the start of the file
    uint64_t nbytes = 0;
    uint64_t info_offset = 0;  ///< of the entry in the header
};

/// One parsed file. Checked as the format's own library does: known types, sizes that match the shapes, data without
/// overlaps or gaps up to the file's end.
struct SafetensorsFile {
    std::string origin;  ///< the file's path, for messages
    std::span<const std::byte> bytes;
    std::map<std::string, std::string> metadata;
    std::vector<SafetensorsTensor> tensors;  ///< in the order of their data
};

/// Parses and checks one whole file image, which the caller keeps alive. Errors are kDataLoss with field and byte
/// offset; types that the ABI has no number for are kUnimplemented.
Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, std::string_view origin);

/// A model's shards.
struct SafetensorsModel {
    std::vector<SafetensorsFile> parts;
    std::vector<std::filesystem::path> paths;              ///< parallel to parts
    std::vector<std::shared_ptr<const MappedFile>> files;  ///< parallel to parts
};

/// Maps and parses a folder's weights: model.safetensors.index.json with its shards, else model.safetensors, else the
/// only *.safetensors file. kNotFound where there is none.
Result<SafetensorsModel> open_safetensors(const std::filesystem::path& folder);

}  // namespace gantry::registry
