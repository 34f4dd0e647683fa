#pragma once

/// Counter-based random numbers: a draw is a function of (seed, answer, position) and of nothing else, so it does not
/// matter with whom a sequence is batched or how often it is preempted. Philox4x32-10 (Salmon et al., SC'11).

#include <array>
#include <cstdint>

namespace gantry::engine {

/// Which draw it is: the same seed and the same place give the same number.
struct DrawPlace {
    uint32_t answer = 0;    ///< index among a request's n answers
    uint64_t position = 0;  ///< tokens of the answer so far
};

inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = uint64_t{0xD2511F53u} * counter[0];
        const uint64_t b = uint64_t{0xCD9E8D57u} * counter[2];
        counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
                   static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

/// Uniform in [0, 1), 53 bits. Numbers of different streams at one place are independent.
inline double uniform(uint64_t seed, DrawPlace place, uint32_t stream = 0) {
    const auto bits = philox4x32(
        {static_cast<uint32_t>(place.position), static_cast<uint32_t>(place.position >> 32), place.answer, stream},
        {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    const uint64_t word = (uint64_t{bits[0]} << 32) | bits[1];
    return static_cast<double>(word >> 11) * 0x1.0p-53;
}

}  // namespace gantry::engine
