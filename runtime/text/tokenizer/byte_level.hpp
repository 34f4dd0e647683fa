#pragma once

/// GPT-2's one-to-one map between bytes and printable characters.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {

/// Printable Latin-1 bytes stand for themselves, the 68 others for U+0100 onwards in order.
constexpr bool is_own_byte_char(uint32_t byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

inline constexpr std::array<uint16_t, 256> kByteToChar = [] {
    std::array<uint16_t, 256> map{};
    uint16_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
        map[b] = is_own_byte_char(b) ? static_cast<uint16_t>(b) : next++;
    }
    return map;
}();

inline constexpr uint32_t kByteCharLimit = 0x100 + 68;

/// -1 where the character stands for no byte.
inline constexpr std::array<int16_t, kByteCharLimit> kCharToByte = [] {
    std::array<int16_t, kByteCharLimit> map{};
    map.fill(-1);
    for (uint32_t b = 0; b < 256; ++b) {
        map[kByteToChar[b]] = static_cast<int16_t>(b);
    }
    return map;
}();

inline void append_byte_chars(std::string& out, std::string_view bytes) {
    for (const char b : bytes) {
        append_utf8(out, kByteToChar[static_cast<uint8_t>(b)]);
    }
}

/// Appends the bytes that a token's characters stand for, or the token itself where a character stands for none.
inline void append_token_bytes(std::string& out, std::string_view token) {
    const size_t before = out.size();
    for (size_t pos = 0, size = 0; pos < token.size(); pos += size) {
        const char32_t c = decode_utf8(token, pos, size);
        if (c >= kByteCharLimit || kCharToByte[c] < 0) {
            out.resize(before);
            out.append(token);
            return;
        }
        out.push_back(static_cast<char>(static_cast<uint8_t>(kCharToByte[c])));
    }
}

}  // namespace gantry::text::tok
