#include "registry/formats/gguf_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace gantry::registry {
namespace {

/// The double with the same shortest decimal text: what the publisher wrote before it was stored in 32 bits.
double widen(float value) {
    if (!std::isfinite(value)) {
        return value;
    }
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
    double out = value;
    std::from_chars(text.data(), written.ptr, out);
    return out;
}

}  // namespace

GgufScalar load_scalar(GgufType type, const std::byte* p) {
    switch (type) {
        case GgufType::kUint8:
            return uint64_t{load_bytes<uint8_t>(p)};
        case GgufType::kInt8:
            return int64_t{load_bytes<int8_t>(p)};
        case GgufType::kUint16:
            return uint64_t{load_bytes<uint16_t>(p)};
        case GgufType::kInt16:
            return int64_t{load_bytes<int16_t>(p)};
        case GgufType::kUint32:
            return uint64_t{load_bytes<uint32_t>(p)};
        case GgufType::kInt32:
            return int64_t{load_bytes<int32_t>(p)};
        case GgufType::kFloat32:
            return widen(load_bytes<float>(p));
        case GgufType::kBool:
            return load_bytes<uint8_t>(p) != 0;
        case GgufType::kUint64:
            return load_bytes<uint64_t>(p);
        case GgufType::kInt64:
            return load_bytes<int64_t>(p);
        default:
            return load_bytes<double>(p);
    }
}

std::string_view gguf_type_name(GgufType type) {
    static constexpr std::array<std::string_view, 13> kNames = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                                                "int32",  "float32", "bool",   "string", "array",
                                                                "uint64", "int64",   "float64"};
    const auto index = static_cast<size_t>(type);
    return index < kNames.size() ? kNames[index] : "unknown";
}

std::vector<std::string_view> GgufArray::strings() const {
    std::vector<std::string_view> out;
    if (element != GgufType::kString) {
        return out;
    }
    out.reserve(count);
    const std::byte* p = raw.data();
    for (uint64_t i = 0; i < count; ++i) {
        const auto length = load_bytes<uint64_t>(p);
        out.emplace_back(reinterpret_cast<const char*>(p + 8), length);
        p += 8 + length;
    }
    return out;
}

std::vector<int64_t> GgufArray::integers() const {
    std::vector<int64_t> out;
    const uint64_t size = fixed_size(element);
    if (size == 0 || element == GgufType::kFloat32 || element == GgufType::kFloat64) {
        return out;
    }
    out.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        const auto scalar = load_scalar(element, raw.data() + i * size);
        if (const auto* u = std::get_if<uint64_t>(&scalar)) {
            out.push_back(static_cast<int64_t>(std::min(*u, uint64_t{std::numeric_limits<int64_t>::max()})));
        } else if (const auto* s = std::get_if<int64_t>(&scalar)) {
            out.push_back(*s);
        } else {
            out.push_back(std::get<bool>(scalar) ? 1 : 0);
        }
    }
    return out;
}

std::vector<double> GgufArray::numbers() const {
    std::vector<double> out;
    const uint64_t size = fixed_size(element);
    if (size == 0) {
        return out;
    }
    out.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        out.push_back(
            std::visit([](auto v) { return static_cast<double>(v); }, load_scalar(element, raw.data() + i * size)));
    }
    return out;
}

}  // namespace gantry::registry
