#pragma once

/// How GGUF stores single values; private to the reader.

#include <bit>
#include <cstdint>
#include <cstring>
#include <variant>

#include "registry/formats/gguf.hpp"

namespace gantry::registry {

static_assert(std::endian::native == std::endian::little, "values are read in the machine's byte order");

/// Bytes of one element, 0 for strings, arrays and unknown types.
constexpr uint64_t fixed_size(GgufType type) {
    switch (type) {
        case GgufType::kUint8:
        case GgufType::kInt8:
        case GgufType::kBool:
            return 1;
        case GgufType::kUint16:
        case GgufType::kInt16:
            return 2;
        case GgufType::kUint32:
        case GgufType::kInt32:
        case GgufType::kFloat32:
            return 4;
        case GgufType::kUint64:
        case GgufType::kInt64:
        case GgufType::kFloat64:
            return 8;
        default:
            return 0;
    }
}

/// A value at any alignment.
template <class T>
T load_bytes(const std::byte* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

using GgufScalar = std::variant<int64_t, uint64_t, double, bool>;

/// A value of a fixed-size type.
GgufScalar load_scalar(GgufType type, const std::byte* p);

}  // namespace gantry::registry
