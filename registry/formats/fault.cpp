#include "registry/formats/fault.hpp"

#include "base/utf8.hpp"

namespace gantry::registry {

std::string printable(std::string_view text, size_t limit) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    while (!text.empty()) {
        if (out.size() >= limit) {
            return out + "...";
        }
        const size_t n = utf8_sequence(text);
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
        const size_t n = utf8_sequence(text);
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
