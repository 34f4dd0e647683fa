#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

/// Length of the valid UTF-8 sequence at the start of `s`, 0 if there is none.
size_t utf8_length(std::string_view s) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    const size_t n = lead >= 0xC2 && lead <= 0xDF   ? 2
                     : (lead & 0xF0) == 0xE0        ? 3
                     : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                    : 0;
    if (n == 0 || s.size() < n) {
        return 0;
    }
    for (size_t i = 1; i < n; ++i) {
        if ((byte(i) & 0xC0) != 0x80) {
            return 0;
        }
    }
    const unsigned char second = byte(1);
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool out_of_range = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
    return overlong || out_of_range ? 0 : n;
}

}  // namespace

std::string printable(std::string_view text, size_t limit) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    while (!text.empty()) {
        if (out.size() >= limit) {
            return out + "...";
        }
        const size_t n = utf8_length(text);
        const auto c = static_cast<unsigned char>(text[0]);
        if (n == 0 || c < 0x20 || c == 0x7F) {
            out += "\\x";
            out += kHex[c >> 4];
            out += kHex[c & 15];
            text.remove_prefix(1);
        } else {
            out += text.substr(0, n);
            text.remove_prefix(n);
        }
    }
    return out;
}

std::string in_quotes(std::string_view text) {
    std::string out = "'";
    return out.append(printable(text)).append("'");
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const size_t n = utf8_length(text);
        out += n == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, n);
        text.remove_prefix(n == 0 ? 1 : n);
    }
    return out;
}

Error file_fault(std::string_view file, std::string_view field, uint64_t offset, std::string_view problem, Code code,
                 std::string_view hint) {
    std::string message(file);
    message.append(": ").append(field).append(" at byte ").append(std::to_string(offset)).append(": ").append(problem);
    if (hint.empty() && code == Code::kDataLoss) {
        hint = "the file is damaged or cut off; fetch it again";
    }
    return Error{code, std::move(message), std::string(hint)};
}

}  // namespace gantry::registry
