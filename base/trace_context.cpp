#include "base/trace_context.hpp"

#include <algorithm>
#include <random>

namespace gantry {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return kDigits.find(c) != std::string_view::npos; });
}

bool is_id(std::string_view text) { return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos; }

}  // namespace

std::string TraceContext::text() const { return "00-" + trace_id + "-" + span_id + (sampled ? "-01" : "-00"); }

std::optional<TraceContext> parse_traceparent(std::string_view text) {
    constexpr size_t kLength = sizeof("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01") - 1;
    if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') {
        return std::nullopt;
    }
    const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32), span = text.substr(36, 16),
                           flags = text.substr(53, 2);
    const bool longer = text.size() > kLength;
    if (!is_hex(version) || version == "ff" || !is_id(trace) || !is_id(span) || !is_hex(flags) ||
        (longer && (version == "00" || text[kLength] != '-'))) {
        return std::nullopt;
    }
    const bool sampled = (kDigits.find(flags[1]) & 1) != 0;
    return TraceContext{std::string(trace), std::string(span), sampled};
}

std::string random_hex(size_t count) {
    thread_local std::mt19937_64 engine{(uint64_t{std::random_device{}()} << 32) | std::random_device{}()};
    std::string out;
    do {
        out.clear();
        for (uint64_t bits = 0, left = 0; out.size() < count; bits >>= 4, --left) {
            if (left == 0) {
                bits = engine();
                left = 16;
            }
            out += kDigits[bits & 15];
        }
    } while (!is_id(out));
    return out;
}

}  // namespace gantry
