// A backend without a model: whatever it is given, it answers at once with the same stream of tokens. What is left is
// the cost of everything else. It is never chosen unless it is named.

#include <gantry/backend.h>

#include <algorithm>
#include <gantry/cpp/error.hpp>

#include "model.hpp"
#include "options.hpp"

namespace gantry::null_plugin {
namespace {

/// Below 0: the host's automatic choice leaves it alone.
constexpr int32_t kScore = -1;

gantry_error_t* devices(gantry_backend_t*, const gantry_device_t** out, uint32_t* count, gantry_str_t* why) {
    static const gantry_device_t device = {GANTRY_SIZE(gantry_device_t, peers),
                                           GANTRY_DEVICE_ACCELERATOR,
                                           0,
                                           1,
                                           sdk::to_abi("nothing"),
                                           {nullptr, 0},
                                           uint64_t{1} << 40,
                                           uint64_t{1} << 40,
                                           {nullptr, 0}};
    *out = &device;
    *count = 1;
    *why = {nullptr, 0};
    return nullptr;
}

gantry_error_t* assess(gantry_backend_t*, const gantry_manifest_t* manifest, const gantry_load_spec_t* spec,
                       gantry_assessment_t* out) {
    return sdk::guard([&] {
        const Options options = read_options(*spec);
        int64_t context = 0;
        if (manifest->get_int(manifest, "context_length", &context) == 0 || context <= 0) {
            context = 4096;
        }
        out->score = kScore;
        out->weights_bytes = options.weights_mib << 20;
        out->mapped_bytes = 0;
        out->kv_bytes_per_block = options.kv_block_kib << 10;
        out->scratch_bytes = uint64_t{spec->max_logit_rows} * vocab_size(*manifest) * sizeof(float);
        out->state_bytes_per_slot = 0;
        out->block_size = spec->block_size != 0 ? spec->block_size : kBlockSize;
        out->max_context = static_cast<uint32_t>(std::min<int64_t>(context, 1 << 24));
    });
}

gantry_error_t* load(gantry_backend_t*, const gantry_manifest_t* manifest, const gantry_load_spec_t* spec,
                     const gantry_progress_t* progress, gantry_model_t** out) {
    return sdk::guard([&] { *out = load_model(*manifest, *spec, read_options(*spec), progress); });
}

gantry_backend_t* backend() {
    static gantry_backend_t table = {GANTRY_SIZE(gantry_backend_t, destroy),
                                     0,
                                     nullptr,
                                     sdk::to_abi("null"),
                                     sdk::to_abi("0.1.0"),
                                     devices,
                                     assess,
                                     load,
                                     [](gantry_backend_t*, const char*) -> const void* { return nullptr; },
                                     [](gantry_backend_t*) {}};
    return &table;
}

}  // namespace
}  // namespace gantry::null_plugin

GANTRY_EXPORT gantry_error_t* gantry_backend_entry(gantry_entry_args_t* args) {
    return gantry::sdk::guard([&] {
        if (args->host_abi_min > GANTRY_ABI_VERSION || args->host_abi_max < GANTRY_ABI_VERSION) {
            throw gantry::sdk::Error(GANTRY_ERR_FAILED_PRECONDITION,
                                     "the null plugin speaks plugin contract 0.9 and the host does not");
        }
        args->plugin_abi = GANTRY_ABI_VERSION;
        args->backend = gantry::null_plugin::backend();
    });
}
