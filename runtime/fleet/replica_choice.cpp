#include "runtime/fleet/replica_choice.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

namespace gantry::fleet {
namespace {

/// So much of a prompt decides: about as much as system prompts differ in.
constexpr size_t kKeyBytes = 1024;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

std::string beginning_of(const engine::GenerateRequest& request) {
    if (const auto* text = std::get_if<engine::TextInput>(&request.input)) {
        return text->text.substr(0, kKeyBytes);
    }
    if (const auto* tokens = std::get_if<engine::TokenInput>(&request.input)) {
        const size_t count = std::min(tokens->ids.size(), kKeyBytes / sizeof(int32_t));
        return {reinterpret_cast<const char*>(tokens->ids.data()), count * sizeof(int32_t)};
    }
    std::string out;
    const auto& messages = std::get<engine::ChatInput>(request.input).messages;
    for (size_t i = 0; i < messages.size() && out.size() < kKeyBytes; ++i) {
        out += boost::json::serialize(messages[i]);
    }
    return out.substr(0, kKeyBytes);
}

}  // namespace

uint64_t prefix_key(const engine::GenerateRequest& request) {
    const std::string key = request.cache_salt + '\0' + request.adapter + '\0' + beginning_of(request);
    return std::max<uint64_t>(1, std::hash<std::string_view>{}(key));
}

size_t choose_replica(std::span<const ReplicaLoad> loads, uint64_t key, uint64_t turn, uint32_t slack) {
    const uint32_t least = std::ranges::min_element(loads, {}, &ReplicaLoad::in_use)->in_use;
    if (key == 0) {
        std::vector<size_t> idle;
        for (size_t i = 0; i < loads.size(); ++i) {
            if (loads[i].in_use == least) {
                idle.push_back(i);
            }
        }
        return idle[turn % idle.size()];
    }
    size_t best = loads.size();
    uint64_t best_hash = 0;
    for (size_t i = 0; i < loads.size(); ++i) {
        const uint64_t hash = mix(key ^ mix(static_cast<uint64_t>(loads[i].id)));
        if (loads[i].in_use <= least + slack && (best == loads.size() || hash > best_hash)) {
            best = i;
            best_hash = hash;
        }
    }
    return best;
}

std::vector<std::string> choose_victims(std::vector<EvictionCandidate> candidates, uint64_t bytes) {
    std::ranges::stable_sort(candidates, {}, &EvictionCandidate::last_used);
    const auto alone = std::ranges::find_if(candidates, [&](const auto& c) { return c.bytes >= bytes; });
    if (alone != candidates.end()) {
        return {alone->uid};
    }
    std::vector<std::string> out;
    uint64_t sum = 0;
    for (const EvictionCandidate& candidate : candidates) {
        out.push_back(candidate.uid);
        sum += candidate.bytes;
        if (sum >= bytes) {
            return out;
        }
    }
    return {};
}

}  // namespace gantry::fleet
