#include "model.hpp"

#include <gantry/ext/causal_lm.h>
#include <gantry/ext/sampler.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <gantry/cpp/error.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "encoder.hpp"
#include "sampler.hpp"

namespace gantry::null_plugin {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// The answer's token at a slot: printable ASCII in the vocabularies of both common families (byte tokens 0x20.. in
/// SentencePiece, single characters in byte-level BPE), so that text comes out and no end token ever does.
uint32_t token_at(uint64_t slot, uint32_t vocab) { return static_cast<uint32_t>((35 + slot % 59) % vocab); }

uint64_t microseconds_now() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<microseconds>(now).count());
}

struct Model {
    gantry_model_t abi;
    gantry_model_info_t info;
    Options options;
    uint64_t steps = 0;
    std::string plan;
    std::vector<uint32_t> kept;  ///< the likely token of each row of the last step, for the sampler

    /// What happens in every step, whatever the model does.
    void begin_step() {
        if (++steps == options.crash_step) {
            std::abort();
        }
        if (options.step_us != 0) {
            std::this_thread::sleep_for(microseconds(options.step_us));
        }
    }
};

Model& of(gantry_model_t* model) { return *static_cast<Model*>(model->ctx); }

/// The slot that token `t` of the batch takes.
uint64_t slot_of(const gantry_batch_t& batch, uint32_t t) {
    const uint32_t* end = batch.token_begin + batch.sequence_count + 1;
    const auto s = static_cast<size_t>(std::upper_bound(batch.token_begin, end, t) - batch.token_begin) - 1;
    return uint64_t{batch.context_len[s]} + (t - batch.token_begin[s]);
}

void execute(Model& model, const gantry_batch_t& batch) {
    model.begin_step();
    if (batch.logits == nullptr && batch.logit_row_count != 0 && model.options.sampler == 0) {
        throw sdk::Error(GANTRY_ERR_UNIMPLEMENTED, "the null plugin has no sampler: it needs a logits buffer",
                         "load it with the option sampler=1");
    }
    const uint32_t vocab = model.info.vocab_size;
    const uint64_t stamp = model.options.stamp_us;
    const uint64_t time = stamp != 0 ? microseconds_now() / stamp : 0;
    model.kept.clear();
    for (uint32_t row = 0; row < batch.logit_row_count; ++row) {
        model.kept.push_back(token_at(stamp != 0 ? time : slot_of(batch, batch.logit_rows[row]), vocab));
        if (batch.logits == nullptr) {
            continue;
        }
        float* logits = batch.logits + size_t{row} * vocab;
        std::fill_n(logits, vocab, kUnlikely);
        logits[model.kept.back()] = kLikely;
    }
}

const gantry_sampler_t kSampler = {
    GANTRY_SIZE(gantry_sampler_t, sample),
    0,
    [](gantry_model_t* model, const gantry_sample_params_t* const* params, gantry_sample_result_t* const* results,
       uint32_t count) {
        return sdk::guard([&] {
            for (uint32_t i = 0; i < count; ++i) {
                const uint32_t row = params[i]->logit_row;
                if (row >= of(model).kept.size()) {
                    throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, "sample: the last step has no such row");
                }
                sample(of(model).kept[row], of(model).info.vocab_size, *params[i], *results[i]);
            }
        });
    },
};

const gantry_encoder_t kEncoder = {
    GANTRY_SIZE(gantry_encoder_t, encode),
    0,
    [](gantry_model_t* model, int32_t pooling, uint64_t* out) {
        return sdk::guard([&] { *out = encoder_width(of(model).options, pooling); });
    },
    [](gantry_model_t* model, const gantry_encode_batch_t* batch) {
        return sdk::guard([&] {
            of(model).begin_step();
            encode(*batch);
        });
    },
};

const gantry_causal_lm_t kCausalLm = {
    GANTRY_SIZE(gantry_causal_lm_t, copy_slots),
    GANTRY_CAUSAL_LM_DETERMINISTIC,
    [](gantry_model_t* model, const gantry_batch_t* batch) { return sdk::guard([&] { execute(of(model), *batch); }); },
    nullptr,
    [](gantry_model_t*, const gantry_copy_list_t*) -> gantry_error_t* { return nullptr; },
    [](gantry_model_t*, const gantry_copy_list_t*) -> gantry_error_t* { return nullptr; },
    nullptr,
    nullptr,
    nullptr,
};

/// Writes as much of `value` as the caller has room for.
gantry_error_t* copy_info(gantry_model_t* model, gantry_model_info_t* out) {
    const uint32_t size = std::min(out->struct_size, static_cast<uint32_t>(sizeof *out));
    std::memcpy(reinterpret_cast<char*>(out) + sizeof(uint32_t),
                reinterpret_cast<const char*>(&of(model).info) + sizeof(uint32_t), size - sizeof(uint32_t));
    return nullptr;
}

/// Sleeps in slices and asks between them whether to go on.
void pretend_to_load(const Options& options, const gantry_progress_t* progress) {
    constexpr uint64_t kSlices = 100;
    const auto report = [&](uint64_t done) {
        if (progress != nullptr && GANTRY_HAS(progress, gantry_progress_t, report)) {
            progress->report(progress->ctx, sdk::to_abi("map"), done, kSlices);
        }
    };
    const auto check = [&] {
        if (options.ignore_cancel == 0 && progress != nullptr && GANTRY_HAS(progress, gantry_progress_t, keep_going) &&
            progress->keep_going(progress->ctx) == 0) {
            throw sdk::Error(GANTRY_ERR_CANCELLED, "loading was cancelled");
        }
    };
    for (uint64_t i = 0; i < kSlices && options.load_ms != 0; ++i) {
        check();
        std::this_thread::sleep_for(microseconds(options.load_ms * 1000 / kSlices));
        report(i + 1);
    }
    while (options.stall_load != 0) {
        check();
        std::this_thread::sleep_for(milliseconds(10));
    }
    check();
    report(kSlices);
}

}  // namespace

uint32_t vocab_size(const gantry_manifest_t& manifest) {
    int64_t value = 0;
    if (manifest.get_int(&manifest, "vocab_size", &value) != 0 && value > 0 && value < 1 << 24) {
        return static_cast<uint32_t>(value);
    }
    const int64_t index = manifest.find_tensor(&manifest, sdk::to_abi("token_embd.weight"));
    gantry_tensor_view_t view{};
    view.struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
    if (index >= 0) {
        if (gantry_error_t* error = manifest.tensor(&manifest, static_cast<uint64_t>(index), &view)) {
            error->destroy(error);
        } else if (view.rank == 2 && view.shape[0] < 1 << 24) {
            return static_cast<uint32_t>(view.shape[0]);
        }
    }
    return 256;
}

gantry_model_t* load_model(const gantry_manifest_t& manifest, const gantry_load_spec_t& spec, const Options& options,
                           const gantry_progress_t* progress) {
    if (options.crash_load != 0) {
        std::abort();
    }
    pretend_to_load(options, progress);
    auto model = std::make_unique<Model>();
    model->options = options;
    model->plan = "null: no weights, no arithmetic";
    const auto choose = [](uint32_t asked, uint32_t otherwise) { return asked != 0 ? asked : otherwise; };
    gantry_model_info_t& info = model->info;
    info.struct_size = GANTRY_SIZE(gantry_model_info_t, plan);
    info.vocab_size = vocab_size(manifest);
    info.hidden_size = 1;
    info.max_context = choose(spec.max_context, 4096);
    info.block_size = choose(spec.block_size, kBlockSize);
    info.max_sequences = choose(spec.max_sequences, 16);
    info.max_step_tokens = choose(spec.max_step_tokens, 512);
    info.max_logit_rows = choose(spec.max_logit_rows, info.max_sequences);
    info.block_count = spec.block_count != 0 ? spec.block_count : info.max_context / info.block_size + 1;
    info.plan = sdk::to_abi(model->plan);
    model->abi.struct_size = GANTRY_SIZE(gantry_model_t, destroy);
    model->abi.ctx = model.get();
    model->abi.info = copy_info;
    model->abi.get_extension = [](gantry_model_t* self, const char* id) -> const void* {
        const std::string_view name(id);
        if (is_encoder(of(self).options)) {
            return name == GANTRY_ENCODER ? &kEncoder : nullptr;
        }
        if (name == GANTRY_SAMPLER && of(self).options.sampler != 0) {
            return &kSampler;
        }
        return name == GANTRY_CAUSAL_LM ? &kCausalLm : nullptr;
    };
    model->abi.destroy = [](gantry_model_t* self) {
        if (self != nullptr) {
            delete &of(self);
        }
    };
    return &model.release()->abi;
}

}  // namespace gantry::null_plugin
