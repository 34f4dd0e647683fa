#include "base/retry.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace gantry {
namespace {
constexpr std::string_view kLead = "try again in ";
constexpr double kHour = 3600;
}  // namespace

std::string retry_hint(double seconds) {
    const double whole = std::isfinite(seconds) ? std::clamp(std::ceil(seconds), 1.0, kHour) : kHour;
    return std::string(kLead) + std::to_string(static_cast<uint32_t>(whole)) + " s";
}

std::optional<uint32_t> retry_seconds(std::string_view hint) {
    if (!hint.starts_with(kLead)) {
        return std::nullopt;
    }
    hint.remove_prefix(kLead.size());
    uint32_t seconds = 0;
    const auto [end, ec] = std::from_chars(hint.data(), hint.data() + hint.size(), seconds);
    const std::string_view rest = hint.substr(static_cast<size_t>(end - hint.data()));
    return ec == std::errc() && rest.starts_with(" s") ? std::optional(seconds) : std::nullopt;
}

}  // namespace gantry
