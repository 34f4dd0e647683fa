#include "runtime/runner/scheduling.hpp"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <string_view>

namespace gantry::runner {
namespace {

using engine::EngineOptions;

Error wrong(std::string_view name, std::string_view text, std::string_view expected) {
    return {Code::kInvalidArgument, fmt::format("scheduler.{} is \"{}\"; it must be {}", name, text, expected)};
}

Result<uint64_t> number(std::string_view name, std::string_view text, uint64_t low, uint64_t high) {
    uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value < low || value > high) {
        return wrong(name, text, fmt::format("a whole number from {} to {}", low, high));
    }
    return value;
}

/// "ann=2,team b=0.5".
Status read_weights(std::string_view name, std::string_view text, engine::FairShare::Weights& weights) {
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view one = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        const size_t equals = one.rfind('=');
        double weight = 0;
        if (equals != std::string_view::npos) {
            const std::string_view digits = one.substr(equals + 1);
            const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), weight);
            weight = ec == std::errc() && end == digits.data() + digits.size() ? weight : 0;
        }
        if (!(weight > 0) || !std::isfinite(weight)) {
            return wrong(name, one, "a user and a weight above 0, like \"ann=2.5\"");
        }
        weights[std::string(one.substr(0, equals))] = weight;
    }
    return ok();
}

Status apply_one(const std::string& name, const std::string& text, EngineOptions& out) {
    constexpr uint64_t kDay = 24 * 3600;
    if (name == "queue_limit") {
        GANTRY_TRY(const uint64_t limit, number(name, text, 1, 1'000'000));
        out.queue_limit = static_cast<uint32_t>(limit);
    } else if (name == "priority_ageing_s") {
        GANTRY_TRY(const uint64_t seconds, number(name, text, 0, kDay));
        out.priority_ageing = std::chrono::seconds(seconds);
    } else if (name == "swap_mib") {
        GANTRY_TRY(const uint64_t mib, number(name, text, 0, uint64_t{1} << 24));
        out.swap_bytes = mib << 20;
    } else if (name == "cache_host_mib") {
        GANTRY_TRY(const uint64_t mib, number(name, text, 0, uint64_t{1} << 24));
        out.cache_host_bytes = mib << 20;
    } else if (name == "share_weights") {
        return read_weights(name, text, out.share_weights);
    } else if (name == "prefix_cache") {
        if (text != "true" && text != "false") {
            return wrong(name, text, "true or false");
        }
        out.prefix_cache = text == "true";
    } else {
        return Error{
            Code::kInvalidArgument, fmt::format("there is no option scheduler.{}", name),
            "known are queue_limit, priority_ageing_s, share_weights, swap_mib, prefix_cache and cache_host_mib"};
    }
    return ok();
}

}  // namespace

Status apply_scheduling(const std::map<std::string, std::string>& options, EngineOptions& out) {
    for (const auto& [name, text] : options) {
        GANTRY_CHECK_OK(apply_one(name, text, out));
    }
    return ok();
}

}  // namespace gantry::runner
