#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include <gantry/transformer/dequantize.hpp>
#include "loader.hpp"

namespace gantry::transformer {
namespace {

using sdk::Error;

BatchLimits limits_of(const ModelParts& p) {
    return {p.config.vocab_size,   p.config.hidden_size,   p.plan.block_size,
            p.plan.block_count,    p.plan.max_step_tokens, p.plan.max_sequences,
            p.plan.max_logit_rows, p.plan.max_context,     p.device->can_be_deterministic()};
}

void check_list(const gantry_copy_list_t& list, uint64_t limit, const char* what) {
    if (list.count != 0 && (list.src == nullptr || list.dst == nullptr)) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, "copy list: src or dst is NULL");
    }
    for (uint32_t i = 0; i < list.count; ++i) {
        const uint32_t highest = std::max(list.src[i], list.dst[i]);
        if (highest >= limit) {
            throw Error(GANTRY_ERR_INVALID_ARGUMENT, "copy list: entry " + std::to_string(i) + " names " + what + " " +
                                                         std::to_string(highest) + " of " + std::to_string(limit));
        }
    }
}

gantry_copy_list_t read_list(const gantry_copy_list_t* list) {
    sdk::detail::need(list, "the copy list");
    return sdk::read_struct(list);
}

gantry_causal_lm_t make_table(bool deterministic) {
    gantry_causal_lm_t t{};
    t.struct_size = GANTRY_SIZE(gantry_causal_lm_t, block_identity);
    t.features = GANTRY_CAUSAL_LM_TREE | GANTRY_CAUSAL_LM_EMBEDDINGS | GANTRY_CAUSAL_LM_HIDDEN |
                 GANTRY_CAUSAL_LM_SUMMARIES | (deterministic ? uint32_t{GANTRY_CAUSAL_LM_DETERMINISTIC} : 0U);
    t.execute = [](gantry_model_t* m, const gantry_batch_t* batch) {
        return sdk::guard([&] { sdk::model_cast<TransformerModel>(m).execute(batch); });
    };
    t.copy_blocks = [](gantry_model_t* m, const gantry_copy_list_t* list) {
        return sdk::guard([&] { sdk::model_cast<TransformerModel>(m).copy_blocks(list); });
    };
    t.copy_slots = [](gantry_model_t* m, const gantry_copy_list_t* list) {
        return sdk::guard([&] { sdk::model_cast<TransformerModel>(m).copy_slots(list); });
    };
    t.read_blocks = [](gantry_model_t* m, const uint32_t* blocks, uint32_t count, void* host, uint64_t bytes) {
        return sdk::guard([&] { sdk::model_cast<TransformerModel>(m).read_blocks({blocks, count}, host, bytes); });
    };
    t.write_blocks = [](gantry_model_t* m, const uint32_t* blocks, uint32_t count, const void* host, uint64_t bytes) {
        return sdk::guard([&] { sdk::model_cast<TransformerModel>(m).write_blocks({blocks, count}, host, bytes); });
    };
    t.block_identity = [](gantry_model_t* m) {
        return m == nullptr ? gantry_str_t{} : sdk::to_abi(sdk::model_cast<TransformerModel>(m).identity());
    };
    return t;
}

gantry_adapter_t make_adapter_table() {
    gantry_adapter_t t{};
    t.struct_size = GANTRY_SIZE(gantry_adapter_t, drop);
    t.assess = [](gantry_model_t* m, const gantry_manifest_t* adapter, uint64_t* bytes) {
        return sdk::guard([&] {
            sdk::detail::need(bytes, "bytes");
            *bytes = sdk::model_cast<TransformerModel>(m).assess_adapter(adapter);
        });
    };
    t.load = [](gantry_model_t* m, const gantry_manifest_t* adapter, double scale, uint32_t* id) {
        return sdk::guard([&] {
            sdk::detail::need(id, "id");
            *id = sdk::model_cast<TransformerModel>(m).load_adapter(adapter, scale);
        });
    };
    t.drop = [](gantry_model_t* m, uint32_t id) {
        return sdk::guard([&] { sdk::model_cast<TransformerModel>(m).drop_adapter(id); });
    };
    return t;
}

std::string hex(uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace

ScratchSpec scratch_spec(const ModelConfig& c, const LoadPlan& plan) {
    const uint32_t widest = std::max({c.hidden_size, c.q_width(), c.widest_ffn()});
    return {plan.max_step_tokens, plan.max_sequences, plan.max_context, widest,         c.head_count,
            c.head_dim,           c.rope.dim / 2,     plan.threads,     c.kv_head_count};
}

TransformerModel::TransformerModel(ModelParts parts, const sdk::Manifest& manifest,
                                   std::span<const PlannedTensor> tensors, const gantry_progress_t& progress)
    : parts_(std::move(parts)),
      weights_(load_weights(manifest, parts_.config, tensors, *parts_.device, progress_of(progress, "repack"))),
      kv_(parts_.device->create_kv(parts_.kv)),
      decoder_(std::make_unique<Decoder>(*parts_.device, parts_.config, weights_, *kv_,
                                         make_rope(parts_.config.rope, parts_.plan.max_context),
                                         parts_.plan.max_step_tokens, parts_.plan.max_logit_rows)),
      checker_(limits_of(parts_)),
      adapter_(make_adapter_table()),
      causal_lm_(make_table(parts_.device->can_be_deterministic())) {
    const LoadPlan& plan = parts_.plan;
    plan_line_ = parts_.config.architecture + ", " + std::to_string(parts_.config.layer_count) + " layers, KV " +
                 std::string(kv_type_name(plan.kv_type)) + " in blocks of " + std::to_string(plan.block_size) + "; " +
                 parts_.device->plan();
    // The rotation is part of what a cached key is, and its frequencies may depend on max_context.
    identity_ = parts_.plugin + ";" + parts_.device->plan() + ";" + std::string(kv_type_name(plan.kv_type)) + ";" +
                std::to_string(plan.block_size) + ";" + std::to_string(plan.max_context) + ";" +
                hex(weights_.fingerprint);
    const LoadProgress warming = progress_of(progress, "warm-up");
    warming(0, 1);
    warm_up(manifest, tensors);
    warming(1, 1);
}

// One token through the whole model: first-use costs are paid here, and weights that are not numbers show.
void TransformerModel::warm_up(const sdk::Manifest& manifest, std::span<const PlannedTensor> tensors) {
    const int32_t token = 0;
    const uint32_t zero = 0;
    const uint32_t offsets[] = {0, 1};
    std::vector<float> logits(parts_.config.vocab_size);
    gantry_batch_t batch{};
    batch.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
    batch.sequence_count = batch.token_count = batch.logit_row_count = 1;
    batch.token_ids = &token;
    batch.token_begin = batch.block_begin = offsets;
    batch.context_len = batch.block_ids = batch.logit_rows = &zero;
    batch.logits = logits.data();
    execute(&batch);
    if (std::all_of(logits.begin(), logits.end(), [](float f) { return std::isfinite(f); })) return;
    // Names the culprit. Copied tensors are read once more: the mapping is valid until destroy, the pages come back.
    for (const PlannedTensor& t : tensors) {
        if (type_traits(t.view.dtype).dequantizable) check_finite(t.name, manifest.tensor(t.index));
    }
    throw Error(GANTRY_ERR_DATA_LOSS, "the model's logits are not finite, though all of its weights are",
                "the file may be damaged or converted wrongly");
}

gantry_model_info_t TransformerModel::info() {
    const LoadPlan& plan = parts_.plan;
    gantry_model_info_t info{};
    info.vocab_size = parts_.config.vocab_size;
    info.hidden_size = parts_.config.hidden_size;
    info.max_context = plan.max_context;
    info.block_size = plan.block_size;
    info.max_step_tokens = plan.max_step_tokens;
    info.max_sequences = plan.max_sequences;
    info.max_logit_rows = plan.max_logit_rows;
    info.block_count = plan.block_count;
    info.weights_bytes = weights_.private_bytes;
    info.kv_bytes = kv_->bytes_per_block() * plan.block_count;
    info.scratch_bytes = Activations::floats(parts_.config, plan.max_step_tokens, plan.max_logit_rows) * sizeof(float) +
                         parts_.device->scratch_bytes(scratch_spec(parts_.config, plan));
    info.plan = sdk::to_abi(plan_line_);
    return info;
}

const void* TransformerModel::extension(std::string_view id) {
    if (id == GANTRY_CAUSAL_LM) return &causal_lm_;
    return id == GANTRY_ADAPTER ? &adapter_ : nullptr;
}

void TransformerModel::execute(const gantry_batch_t* batch) {
    sdk::detail::need(batch, "the batch");
    const gantry_batch_t known = sdk::read_struct(batch);
    const CheckedBatch checked = checker_.check(known);
    decoder_->run(checked, adapters_.rows_of(checked.step, checked.adapter_ids));
}

uint64_t TransformerModel::assess_adapter(const gantry_manifest_t* adapter) const {
    return Adapter::bytes(sdk::Manifest(adapter), parts_.config, *parts_.device);
}

uint32_t TransformerModel::load_adapter(const gantry_manifest_t* adapter, double scale) {
    auto loaded = std::make_unique<Adapter>(sdk::Manifest(adapter), parts_.config, scale, *parts_.device);
    decoder_->reserve_rank(std::max(adapters_.max_rank(), loaded->max_rank()));
    return adapters_.add(std::move(loaded));
}

void TransformerModel::drop_adapter(uint32_t id) {
    adapters_.drop(id);
    decoder_->reserve_rank(adapters_.max_rank());
}

void TransformerModel::copy_blocks(const gantry_copy_list_t* abi) {
    const gantry_copy_list_t list = read_list(abi);
    check_list(list, parts_.plan.block_count, "block");
    kv_->copy_blocks({list.src, list.count}, {list.dst, list.count});
}

void TransformerModel::copy_slots(const gantry_copy_list_t* abi) {
    const gantry_copy_list_t list = read_list(abi);
    check_list(list, parts_.plan.block_count * parts_.plan.block_size, "slot");
    kv_->copy_slots({list.src, list.count}, {list.dst, list.count});
}

void TransformerModel::check_exchange(std::span<const uint32_t> blocks, const void* host,
                                      uint64_t bytes_per_block) const {
    if (blocks.empty()) return;
    sdk::detail::need(blocks.data(), "blocks");
    sdk::detail::need(host, "host");
    if (bytes_per_block != kv_->bytes_per_block()) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, "bytes_per_block is " + std::to_string(bytes_per_block) +
                                                     ", this model's blocks have " +
                                                     std::to_string(kv_->bytes_per_block()));
    }
    for (const uint32_t block : blocks) {
        if (block >= parts_.plan.block_count) {
            throw Error(GANTRY_ERR_INVALID_ARGUMENT, "there is no block " + std::to_string(block) + " among " +
                                                         std::to_string(parts_.plan.block_count));
        }
    }
}

void TransformerModel::read_blocks(std::span<const uint32_t> blocks, void* host, uint64_t bytes_per_block) {
    check_exchange(blocks, host, bytes_per_block);
    kv_->read_blocks(blocks, static_cast<std::byte*>(host));
}

void TransformerModel::write_blocks(std::span<const uint32_t> blocks, const void* host, uint64_t bytes_per_block) {
    check_exchange(blocks, host, bytes_per_block);
    kv_->write_blocks(blocks, static_cast<const std::byte*>(host));
}

}  // namespace gantry::transformer
