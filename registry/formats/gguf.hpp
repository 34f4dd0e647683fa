#pragma once

/// GGUF, versions 2 and 3, little-endian, whole or split into `-00001-of-00003.gguf` parts.
///
/// Layout: magic, version, tensor count, key count; the keys with typed values; the tensors' names, dimensions, types
/// and offsets; padding to `general.alignment`; tensor data. Everything is checked while it is read: a damaged file
/// gives kDataLoss naming field and byte offset, and no allocation exceeds a small multiple of the file's own size.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.hpp"
#include "base/result.hpp"

namespace gantry::registry {

/// Value types as numbered in the file.
enum class GgufType : uint32_t {
    kUint8 = 0,
    kInt8 = 1,
    kUint16 = 2,
    kInt16 = 3,
    kUint32 = 4,
    kInt32 = 5,
    kFloat32 = 6,
    kBool = 7,
    kString = 8,
    kArray = 9,
    kUint64 = 10,
    kInt64 = 11,
    kFloat64 = 12,
};

std::string_view gguf_type_name(GgufType type);

/// A checked array that still lies in the file. Views point into the parsed bytes.
struct GgufArray {
    GgufType element = GgufType::kUint8;
    uint64_t count = 0;
    std::span<const std::byte> raw;  ///< the elements as stored

    /// All elements; empty unless `element` is kString.
    std::vector<std::string_view> strings() const;
    /// All elements; empty unless `element` is an integer type or kBool. uint64 values over int64 saturate.
    std::vector<int64_t> integers() const;
    /// All elements; empty unless `element` is numeric.
    std::vector<double> numbers() const;
};

/// Integers keep their sign, floats of 32 bits become the double that has the same shortest decimal text (1e-5f is
/// 1e-5), so that they compare equal with what JSON files say.
struct GgufValue {
    GgufType type = GgufType::kUint8;
    uint64_t offset = 0;  ///< of the value, in bytes from the start of the file
    std::variant<int64_t, uint64_t, double, bool, std::string_view, GgufArray> value;
};

struct GgufTensor {
    std::string_view name;
    int32_t dtype = 0;
    std::vector<uint64_t> shape;  ///< row-major: the file's dimensions reversed
    uint64_t offset = 0;          ///< of the data, from the start of the file
    uint64_t nbytes = 0;
    uint64_t info_offset = 0;  ///< of the tensor's description in the header
};

/// One parsed file. Views point into `bytes`, which the caller keeps alive.
struct GgufFile {
    std::string origin;  ///< the file's path, for messages
    std::span<const std::byte> bytes;
    uint32_t version = 0;
    uint64_t alignment = 32;
    std::map<std::string_view, GgufValue, std::less<>> keys;
    std::vector<GgufTensor> tensors;

    const GgufValue* find(std::string_view key) const;
};

/// Parses and checks one whole file image.
Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string_view origin);

/// A model's files in order; the first holds the keys.
struct GgufModel {
    std::vector<GgufFile> parts;
    std::vector<std::filesystem::path> paths;              ///< parallel to parts
    std::vector<std::shared_ptr<const MappedFile>> files;  ///< parallel to parts
};

/// Maps and parses a file and, where it is one of several parts, all the others beside it.
Result<GgufModel> open_gguf(const std::filesystem::path& path);

/// The part numbers in a name such as "model-00002-of-00003.gguf"; nullopt for other names.
struct GgufPartName {
    std::string prefix;  ///< "model"
    uint32_t number = 0;
    uint32_t count = 0;

    std::string name_of(uint32_t part) const;
};
std::optional<GgufPartName> parse_gguf_part_name(std::string_view file_name);

}  // namespace gantry::registry
