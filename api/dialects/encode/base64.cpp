#include "api/dialects/encode/base64.hpp"

#include <cstdint>

namespace gantry::dialects::encode {

void append_base64(std::string_view bytes, std::string& out) {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto byte = [&](size_t i) { return i < bytes.size() ? uint32_t{static_cast<unsigned char>(bytes[i])} : 0U; };
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
        const size_t left = bytes.size() - i;
        out += kDigits[three >> 18];
        out += kDigits[three >> 12 & 63];
        out += left > 1 ? kDigits[three >> 6 & 63] : '=';
        out += left > 2 ? kDigits[three & 63] : '=';
    }
}

}  // namespace gantry::dialects::encode
