#pragma once

/// The null plugin's options: each makes one thing happen that a real backend may do, so that the host's handling of
/// it can be measured and tested without a model.

#include <gantry/backend.h>

#include <cstdint>

namespace gantry::null_plugin {

struct Options {
    uint64_t step_us = 0;        ///< how long every step sleeps
    uint64_t stamp_us = 0;       ///< N > 0: a token tells when it was made: steady clock's (microseconds / N) mod 59
    uint64_t sampler = 0;        ///< 1: offers gantry.sampler/1, and draws by itself
    uint64_t load_ms = 0;        ///< how long loading takes, in hundred reports of progress
    uint64_t stall_load = 0;     ///< 1: loading reports once and then hangs until it is cancelled
    uint64_t ignore_cancel = 0;  ///< 1: loading does not look at keep_going
    uint64_t crash_load = 0;     ///< 1: loading aborts the process
    uint64_t crash_step = 0;     ///< N > 0: the N-th step aborts the process
    uint64_t weights_mib = 0;    ///< what assess claims for the weights
    uint64_t kv_block_kib = 0;   ///< what assess claims for a KV block
    uint64_t embed_width = 0;    ///< N > 0: an encoder, whose vectors of N numbers are made of the tokens' numbers
    uint64_t score_width = 0;    ///< N > 0: an encoder with a head of N outputs
};

/// Throws sdk::Error INVALID_ARGUMENT naming an unknown key or a value that is not a whole number. Keys of other
/// plugins ("cpu.something") are passed over.
Options read_options(const gantry_load_spec_t& spec);

}  // namespace gantry::null_plugin
