#include <gantry/transformer/adapter.hpp>

#include <string>

#include <utility>

#include <gantry/cpp/backend.hpp>
#include <gantry/transformer/checks.hpp>
#include <gantry/transformer/options.hpp>
#include "encoder_model.hpp"
#include "model.hpp"

namespace gantry::transformer {
namespace {

using sdk::Error;

std::string mebibytes(uint64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

/// What assess and load of an encoder both find out before any weight is read.
struct PreparedEncoder {
    EncoderParts parts;
    std::vector<PlannedTensor> tensors;
    gantry_assessment_t needs{};
};

/// The same of a decoder.
struct Prepared {
    ModelConfig config;
    LoadPlan plan;
    std::unique_ptr<Device> device;
    std::vector<PlannedTensor> tensors;
    KvSpec kv;
    gantry_assessment_t needs{};
};

class TransformerBackend final : public sdk::Backend {
  public:
    TransformerBackend(sdk::Host host, std::unique_ptr<DeviceProvider> provider)
        : host_(host), provider_(std::move(provider)) {}

    std::string_view id() const override { return provider_->id(); }
    std::string_view version() const override { return provider_->version(); }
    const std::vector<gantry_device_t>& devices() override { return provider_->devices(); }
    std::string_view why_no_devices() const override { return provider_->why_no_devices(); }

    gantry_assessment_t assess(const gantry_manifest_t* manifest, const gantry_load_spec_t& spec) override {
        // One thread: nothing is computed, so no pool need start.
        if (is_encoder(sdk::Manifest(manifest))) return prepare_encoder(sdk::Manifest(manifest), spec, true).needs;
        return prepare(sdk::Manifest(manifest), spec, true).needs;
    }

    std::unique_ptr<sdk::Model> load(const gantry_manifest_t* abi, const gantry_load_spec_t& spec,
                                     const gantry_progress_t& progress) override {
        const sdk::Manifest manifest(abi);
        if (is_encoder(manifest)) return load_encoder(manifest, spec, progress);
        Prepared p = prepare(manifest, spec, false);
        if (p.plan.block_count == 0) {
            p.plan.block_count = (p.plan.max_context + p.plan.block_size - 1) / p.plan.block_size;
        }
        p.kv.block_count = p.plan.block_count;
        check_memory(p.plan, p.needs);
        ModelParts parts{std::string(id()) + " " + std::string(version()), std::move(p.config), std::move(p.plan),
                         std::move(p.device), p.kv};
        auto model = std::make_unique<TransformerModel>(std::move(parts), manifest, p.tensors, progress);
        host_.log(GANTRY_LOG_INFO, model->plan_line());
        return model;
    }

  private:
    Prepared prepare(const sdk::Manifest& manifest, const gantry_load_spec_t& spec, bool assess_only) {
        Prepared p;
        p.plan = read_options(spec, *provider_, host_.thread_budget());
        p.config = read_config(manifest);
        complete_plan(p.plan, spec, p.config);
        p.device = provider_->create(p.plan.device, assess_only ? 1 : p.plan.threads, p.plan.provider_options);
        if (!p.device->supports(p.plan.kv_type)) {
            throw Error(GANTRY_ERR_UNIMPLEMENTED, "option 'kv_dtype' is '" + std::string(kv_type_name(p.plan.kv_type)) +
                                                      "', which the plugin '" + std::string(id()) + "' does not have");
        }
        p.tensors = plan_tensors(manifest, p.config, *p.device);
        p.kv = {p.config.layer_count, p.config.kv_head_count, p.config.head_dim, p.config.head_dim,
                p.plan.block_size,    p.plan.block_count,     p.plan.kv_type};
        p.needs.score = provider_->score();
        add_weights(p.tensors, *p.device, p.needs);
        p.needs.kv_bytes_per_block = p.device->kv_bytes_per_block(p.kv);
        p.needs.scratch_bytes =
            Activations::floats(p.config, p.plan.max_step_tokens, p.plan.max_logit_rows) * sizeof(float) +
            p.device->scratch_bytes(scratch_spec(p.config, p.plan));
        p.needs.block_size = p.plan.block_size;
        p.needs.max_context = p.config.max_context();
        return p;
    }

    PreparedEncoder prepare_encoder(const sdk::Manifest& manifest, const gantry_load_spec_t& spec, bool assess_only) {
        PreparedEncoder p;
        LoadPlan& plan = p.parts.plan;
        plan = read_options(spec, *provider_, host_.thread_budget());
        p.parts.config = read_encoder_config(manifest);
        complete_encoder_plan(plan, spec, p.parts.config.base);
        p.parts.device = provider_->create(plan.device, assess_only ? 1 : plan.threads, plan.provider_options);
        p.tensors = plan_encoder_tensors(manifest, p.parts.config, *p.parts.device);
        p.needs.score = provider_->score();
        add_weights(p.tensors, *p.parts.device, p.needs);
        p.needs.scratch_bytes = encoder_scratch_bytes(p.parts.config, plan, *p.parts.device);
        p.needs.block_size = plan.block_size;  // of blocks that take no bytes
        p.needs.max_context = plan.max_context;
        return p;
    }

    std::unique_ptr<sdk::Model> load_encoder(const sdk::Manifest& manifest, const gantry_load_spec_t& spec,
                                             const gantry_progress_t& progress) {
        PreparedEncoder p = prepare_encoder(manifest, spec, false);
        check_memory(p.parts.plan, p.needs);
        auto model = std::make_unique<EncoderModel>(std::move(p.parts), manifest, p.tensors, progress);
        host_.log(GANTRY_LOG_INFO, model->plan_line());
        return model;
    }

    static void add_weights(std::span<const PlannedTensor> tensors, const Device& device, gantry_assessment_t& needs) {
        for (const PlannedTensor& t : tensors) {
            const uint64_t bytes = device.weight_bytes(t.view, t.use);
            needs.weights_bytes += bytes == 0 && t.rebuild != Rebuild::kNone ? t.view.nbytes : bytes;
            if (bytes == 0 && t.rebuild == Rebuild::kNone) needs.mapped_bytes += t.view.nbytes;
        }
    }

    /// Refuses what cannot fit, with the sum, before anything is allocated.
    void check_memory(const LoadPlan& plan, const gantry_assessment_t& needs) {
        const uint64_t kv = needs.kv_bytes_per_block * plan.block_count;
        const bool overflow = needs.kv_bytes_per_block != 0 && kv / needs.kv_bytes_per_block != plan.block_count;
        const uint64_t sum = needs.weights_bytes + kv + needs.scratch_bytes;
        for (const gantry_device_t& d : provider_->devices()) {
            if (d.index != plan.device || d.memory_total == 0 || (!overflow && sum <= d.memory_total)) continue;
            throw Error(GANTRY_ERR_OUT_OF_MEMORY,
                        "the model needs " + mebibytes(needs.weights_bytes) + " for weights, " +
                            std::to_string(plan.block_count) + " KV blocks of " +
                            std::to_string(needs.kv_bytes_per_block) + " bytes and " + mebibytes(needs.scratch_bytes) +
                            " of scratch; device " + std::to_string(d.index) + " has " + mebibytes(d.memory_total),
                        "ask for fewer blocks, a smaller context or a smaller kv_dtype");
        }
    }

    sdk::Host host_;
    std::unique_ptr<DeviceProvider> provider_;
};

}  // namespace

gantry_error_t* make_backend(gantry_entry_args_t* args, std::unique_ptr<DeviceProvider> provider) noexcept {
    return sdk::enter(
        args, [&provider](sdk::Host host) { return std::make_unique<TransformerBackend>(host, std::move(provider)); });
}

}  // namespace gantry::transformer
