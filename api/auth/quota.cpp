#include "api/auth/quota.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gantry::api {
namespace {

constexpr double kMinute = 60;

/// Seconds until a bucket of `limit` a minute has risen by `amount`.
double time_for(double amount, double limit) { return amount <= 0 ? 0 : amount * kMinute / limit; }

}  // namespace

void Quotas::Bucket::fill(double limit, Time now) {
    if (fresh) {
        level = limit;
        fresh = false;
    } else {
        const double seconds = std::chrono::duration<double>(now - filled).count();
        level = std::min(limit, level + std::max(0.0, seconds) * limit / kMinute);
    }
    filled = now;
}

Quotas::Caller& Quotas::caller(const Principal& who, Time now) {
    Caller& out = callers_[who.key_id];
    out.requests.fill(who.limits.requests_per_minute, now);
    out.tokens.fill(static_cast<double>(who.limits.tokens_per_minute), now);
    return out;
}

Quotas::Verdict Quotas::take(const Principal& who, Time now) {
    if (!who.limits.any()) {
        return {};
    }
    Caller& all = caller(who, now);
    if (const double limit = who.limits.requests_per_minute; limit > 0 && all.requests.level < 1) {
        return {Lack::kRequests, time_for(1 - all.requests.level, limit)};
    }
    if (const auto limit = static_cast<double>(who.limits.tokens_per_minute); limit > 0 && all.tokens.level < 1) {
        return {Lack::kTokens, time_for(1 - all.tokens.level, limit)};
    }
    all.requests.level -= 1;
    return {};
}

void Quotas::charge(const Principal& who, uint64_t tokens, Time now) {
    if (who.limits.tokens_per_minute != 0) {
        caller(who, now).tokens.level -= static_cast<double>(tokens);
    }
}

std::vector<std::pair<std::string, std::string>> Quotas::headers(const Principal& who, Time now) {
    std::vector<std::pair<std::string, std::string>> out;
    if (!who.limits.any()) {
        return out;
    }
    const Caller& all = caller(who, now);
    const auto add = [&](const char* what, double limit, double level) {
        if (limit > 0) {
            const auto put = [&](const char* kind, std::string value) {
                out.emplace_back(fmt::format("x-ratelimit-{}-{}", kind, what), std::move(value));
            };
            put("limit", fmt::format("{:.0f}", limit));
            put("remaining", fmt::format("{:.0f}", std::floor(std::max(0.0, level))));
            put("reset", reset_text(time_for(limit - level, limit)));
        }
    };
    add("requests", who.limits.requests_per_minute, all.requests.level);
    add("tokens", static_cast<double>(who.limits.tokens_per_minute), all.tokens.level);
    return out;
}

std::string reset_text(double seconds) {
    const auto ms = static_cast<int64_t>(std::ceil(std::max(0.0, seconds) * 1e3));
    if (ms < 1000) {
        return fmt::format("{}ms", ms);
    }
    const int64_t whole = (ms + 999) / 1000;
    return whole < 60 ? fmt::format("{}s", whole) : fmt::format("{}m{}s", whole / 60, whole % 60);
}

}  // namespace gantry::api
