#include "runtime/grammar/schema/text_reader.hpp"

#include <algorithm>

namespace gantry::grammar {

namespace {

// A place is a mode, how many units (bytes, hexadecimal digits) are still to come, and the value so far.
enum Mode : uint32_t { kPlain, kUtf8, kBackslash, kHex, kLowBackslash, kLowLetter, kLowHex };
constexpr uint32_t kModeShift = 28;
constexpr uint32_t kLeftShift = 24;
constexpr uint32_t kValueMask = (1U << kLeftShift) - 1;

constexpr uint32_t place_of(Mode mode, uint32_t left, uint32_t value) {
    return uint32_t{mode} << kModeShift | left << kLeftShift | value;
}

constexpr uint32_t kHighSurrogate = 0xD800;
constexpr uint32_t kLowSurrogate = 0xDC00;
constexpr uint32_t kSurrogatesEnd = 0xDFFF;

int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

}  // namespace

bool TextReader::any_between(Lang lang, uint32_t low, uint32_t high) {
    if (low > high) {
        return false;
    }
    const auto& steps = languages_.steps(lang);
    const auto at =
        std::partition_point(steps.begin(), steps.end(), [low](const Languages::Step& s) { return s.high < low; });
    return at != steps.end() && at->low <= high;
}

TextReader::State TextReader::complete(Lang lang, uint32_t c, uint32_t& character) {
    character = c;
    return {languages_.step(lang, c), 0};
}

TextReader::State TextReader::within(Lang lang, uint32_t low, uint32_t high, uint32_t place) {
    return any_between(lang, low, high) ? State{lang, place} : State{};
}

TextReader::State TextReader::first_byte(Lang lang, uint8_t byte, uint32_t& character) {
    if (byte < 0x20 || byte == '"') {
        return {};
    }
    if (byte == '\\') {
        return languages_.steps(lang).empty() ? State{} : State{lang, place_of(kBackslash, 0, 0)};
    }
    if (byte < 0x80) {
        return complete(lang, byte, character);
    }
    if (byte >= 0xC2 && byte <= 0xDF) {
        const uint32_t value = byte & 0x1FU;
        return within(lang, value << 6, value << 6 | 0x3F, place_of(kUtf8, 1, value));
    }
    if (byte >= 0xE0 && byte <= 0xEF) {
        const uint32_t value = byte & 0x0FU;
        return within(lang, std::max(0x800U, value << 12), value << 12 | 0xFFF, place_of(kUtf8, 2, value));
    }
    if (byte >= 0xF0 && byte <= 0xF4) {
        const uint32_t value = byte & 0x07U;
        return within(lang, std::max(0x10000U, value << 18), std::min(0x10FFFFU, value << 18 | 0x3FFFF),
                      place_of(kUtf8, 3, value));
    }
    return {};
}

TextReader::State TextReader::escape(Lang lang, uint8_t byte, uint32_t& character) {
    switch (byte) {
        case '"':
        case '\\':
        case '/':
            return complete(lang, byte, character);
        case 'b':
            return complete(lang, '\b', character);
        case 'f':
            return complete(lang, '\f', character);
        case 'n':
            return complete(lang, '\n', character);
        case 'r':
            return complete(lang, '\r', character);
        case 't':
            return complete(lang, '\t', character);
        case 'u':
            return {lang, place_of(kHex, 4, 0)};
        default:
            return {};
    }
}

/// Digits of \uXXXX; of the second half of a pair the value holds the first half's ten bits above.
TextReader::State TextReader::hex(Lang lang, uint32_t place, uint8_t byte, uint32_t& character) {
    const int digit = hex_digit(byte);
    if (digit < 0) {
        return {};
    }
    const bool second = place >> kModeShift == kLowHex;
    const uint32_t left = (place >> kLeftShift & 0xF) - 1;
    const uint32_t value = place & kValueMask;
    if (second) {
        // The digits are DC00 to DFFF: ten bits of which the first digit (D) gives none.
        const uint32_t high = value >> 12;
        const uint32_t typed = (value & 0xFFF) << 4 | static_cast<uint32_t>(digit);
        const uint32_t first = std::max(typed << (4 * left), kLowSurrogate);
        const uint32_t last = std::min(((typed + 1) << (4 * left)) - 1, kSurrogatesEnd);
        if (first > last) {
            return {};
        }
        const uint32_t base = 0x10000 + (high << 10);
        if (left == 0) {
            return complete(lang, base + (typed - kLowSurrogate), character);
        }
        return within(lang, base + (first - kLowSurrogate), base + (last - kLowSurrogate),
                      place_of(kLowHex, left, high << 12 | typed));
    }
    const uint32_t typed = value << 4 | static_cast<uint32_t>(digit);
    const uint32_t first = typed << (4 * left), last = ((typed + 1) << (4 * left)) - 1;
    if (left == 0) {
        if (typed < kHighSurrogate || typed > kSurrogatesEnd) {
            return complete(lang, typed, character);
        }
        const uint32_t base = 0x10000 + ((typed - kHighSurrogate) << 10);
        return typed < kLowSurrogate
                   ? within(lang, base, base + 0x3FF, place_of(kLowBackslash, 0, typed - kHighSurrogate))
                   : State{};
    }
    const uint32_t place_now = place_of(kHex, left, typed);
    if (any_between(lang, first, last)) {
        return {lang, place_now};
    }
    if (first < kLowSurrogate && last >= kHighSurrogate) {  // may become the first half of a pair
        const uint32_t low = std::max(first, kHighSurrogate) - kHighSurrogate;
        const uint32_t high = std::min(last, kLowSurrogate - 1) - kHighSurrogate;
        return within(lang, 0x10000 + (low << 10), 0x10000 + (high << 10) + 0x3FF, place_now);
    }
    return {};
}

TextReader::State TextReader::next(State state, uint8_t byte, uint32_t& character) {
    character = kNoCharacter;
    const Lang lang = state.lang;
    const uint32_t value = state.within & kValueMask;
    switch (static_cast<Mode>(state.within >> kModeShift)) {
        case kPlain:
            return first_byte(lang, byte, character);
        case kUtf8: {
            if ((byte & 0xC0) != 0x80) {
                return {};
            }
            const uint32_t left = (state.within >> kLeftShift & 0xF) - 1;
            const uint32_t typed = value << 6 | (byte & 0x3FU);
            if (left == 0) {
                return complete(lang, typed, character);
            }
            const uint32_t low = typed << (6 * left), high = ((typed + 1) << (6 * left)) - 1;
            // Shorter forms than this are overlong: three bytes begin at U+0800, four at U+10000.
            const uint32_t least = left == 2 ? 0x10000U : 0x800U;
            return within(lang, std::max(low, least), std::min(high, 0x10FFFFU), place_of(kUtf8, left, typed));
        }
        case kBackslash:
            return escape(lang, byte, character);
        case kHex:
        case kLowHex:
            return hex(lang, state.within, byte, character);
        case kLowBackslash:
            return byte == '\\' ? State{lang, place_of(kLowLetter, 0, value)} : State{};
        case kLowLetter:
            return byte == 'u' ? State{lang, place_of(kLowHex, 4, value << 12)} : State{};
    }
    return {};
}

}  // namespace gantry::grammar
