#include "runtime/plugins/plugin_model.hpp"

#include <gantry/ext/adapter.h>

#include <utility>

#include "runtime/plugins/abi_convert.hpp"

namespace gantry::plugins {
namespace {

Error broken(std::string what) {
    return {Code::kInternal, "the plugin breaks the contract: " + std::move(what),
            "report this to the plugin's author"};
}

class PluginModel final : public engine::CausalModel {
  public:
    PluginModel(std::shared_ptr<void> keep, std::unique_ptr<ManifestAdapter> manifest, ModelHandle model,
                const gantry_causal_lm_t* table, const gantry_sampler_t* sampler, const gantry_adapter_t* adapters,
                engine::ModelLimits limits)
        : keep_(std::move(keep)),
          manifest_(std::move(manifest)),
          model_(std::move(model)),
          table_(table),
          sampler_(sampler),
          adapters_(adapters),
          limits_(limits) {}

    const engine::ModelLimits& limits() const override { return limits_; }

    Status execute(const gantry_batch_t& batch) override {
        return call_plugin("execute", [&] { return table_->execute(model_.get(), &batch); });
    }

    Status copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) override {
        return copy("copy_blocks", table_->copy_blocks, src, dst);
    }

    Status copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) override {
        if ((limits_.features & GANTRY_CAUSAL_LM_TREE) == 0) {
            return CausalModel::copy_slots(src, dst);
        }
        return copy("copy_slots", table_->copy_slots, src, dst);
    }
    bool has_sampler() const override { return sampler_ != nullptr; }

    Status sample(std::span<const gantry_sample_params_t* const> params,
                  std::span<gantry_sample_result_t* const> results) override {
        if (sampler_ == nullptr || params.size() != results.size()) {
            return Error{Code::kInternal, "sample without a sampler, or with lists of different lengths"};
        }
        return call_plugin("sample", [&] {
            return sampler_->sample(model_.get(), params.data(), results.data(), static_cast<uint32_t>(params.size()));
        });
    }

    Status read_blocks(std::span<const uint32_t> blocks, void* host) override {
        return call_plugin("read_blocks", [&] {
            return table_->read_blocks(model_.get(), blocks.data(), static_cast<uint32_t>(blocks.size()), host,
                                       limits_.block_bytes);
        });
    }

    Status write_blocks(std::span<const uint32_t> blocks, const void* host) override {
        return call_plugin("write_blocks", [&] {
            return table_->write_blocks(model_.get(), blocks.data(), static_cast<uint32_t>(blocks.size()), host,
                                        limits_.block_bytes);
        });
    }

    Result<uint32_t> load_adapter(const gantry_manifest_t& adapter, double scale) override {
        if (adapters_ == nullptr) {
            return CausalModel::load_adapter(adapter, scale);
        }
        uint32_t id = 0;
        GANTRY_CHECK_OK(
            call_plugin("load of an adapter", [&] { return adapters_->load(model_.get(), &adapter, scale, &id); }));
        if (id == 0) {
            return broken("it loaded an adapter without a number");
        }
        return id;
    }

    Status drop_adapter(uint32_t id) override {
        if (adapters_ == nullptr) {
            return CausalModel::drop_adapter(id);
        }
        return call_plugin("drop of an adapter", [&] { return adapters_->drop(model_.get(), id); });
    }

    std::string block_identity() override {
        if (!GANTRY_HAS(table_, gantry_causal_lm_t, block_identity)) {
            return {};
        }
        return std::string(from_abi(table_->block_identity(model_.get())));
    }

  private:
    Status copy(const char* name, decltype(gantry_causal_lm_t::copy_blocks) function, std::span<const uint32_t> src,
                std::span<const uint32_t> dst) {
        if (src.size() != dst.size()) {
            return Error{Code::kInternal, std::string(name) + " with lists of different lengths"};
        }
        const gantry_copy_list_t list = {GANTRY_SIZE(gantry_copy_list_t, dst), static_cast<uint32_t>(src.size()),
                                         src.data(), dst.data()};
        return call_plugin(name, [&] { return function(model_.get(), &list); });
    }

    // Destroyed last to first: the model, then what it reads from, then the backend that made it.
    std::shared_ptr<void> keep_;
    std::unique_ptr<ManifestAdapter> manifest_;
    ModelHandle model_;
    const gantry_causal_lm_t* table_;
    const gantry_sampler_t* sampler_;   ///< null: the host samples
    const gantry_adapter_t* adapters_;  ///< null: the model takes none
    engine::ModelLimits limits_;
};

Status check_tables(const gantry_model_t& model) {
    if (!GANTRY_HAS(&model, gantry_model_t, info) || !GANTRY_HAS(&model, gantry_model_t, get_extension)) {
        return broken("its model has no info or get_extension");
    }
    return ok();
}

Result<const gantry_causal_lm_t*> causal_table(gantry_model_t* model) {
    const auto* table = static_cast<const gantry_causal_lm_t*>(model->get_extension(model, GANTRY_CAUSAL_LM));
    if (table == nullptr) {
        return Error{Code::kUnimplemented, "the plugin loaded the model, but it is no causal language model"};
    }
    if (!GANTRY_HAS(table, gantry_causal_lm_t, execute) || !GANTRY_HAS(table, gantry_causal_lm_t, copy_blocks)) {
        return broken("its " GANTRY_CAUSAL_LM " has no execute or copy_blocks");
    }
    return table;
}

Result<const gantry_sampler_t*> sampler_table(gantry_model_t* model) {
    const auto* table = static_cast<const gantry_sampler_t*>(model->get_extension(model, GANTRY_SAMPLER));
    if (table != nullptr && !GANTRY_HAS(table, gantry_sampler_t, sample)) {
        return broken("its " GANTRY_SAMPLER " has no sample");
    }
    return table;
}

/// Null where the model has no adapters, or a table that is not whole.
const gantry_adapter_t* adapter_table(gantry_model_t* model) {
    const auto* table = static_cast<const gantry_adapter_t*>(model->get_extension(model, GANTRY_ADAPTER));
    const bool whole =
        table != nullptr && GANTRY_HAS(table, gantry_adapter_t, load) && GANTRY_HAS(table, gantry_adapter_t, drop);
    return whole ? table : nullptr;
}

Result<engine::ModelLimits> read_limits(gantry_model_t* model, const gantry_causal_lm_t& table, std::string& plan) {
    gantry_model_info_t info{};
    info.struct_size = GANTRY_SIZE(gantry_model_info_t, plan);
    GANTRY_CHECK_OK(call_plugin("info", [&] { return model->info(model, &info); }));
    engine::ModelLimits limits;
    limits.vocab_size = info.vocab_size;
    limits.block_size = info.block_size;
    limits.block_count = info.block_count;
    limits.max_context = info.max_context;
    limits.max_step_tokens = info.max_step_tokens;
    limits.max_sequences = info.max_sequences;
    limits.max_logit_rows = info.max_logit_rows;
    limits.features = table.features;
    const bool moves_blocks =
        GANTRY_HAS(&table, gantry_causal_lm_t, read_blocks) && GANTRY_HAS(&table, gantry_causal_lm_t, write_blocks);
    limits.block_bytes = moves_blocks && info.block_count > 0 ? info.kv_bytes / info.block_count : 0;
    if (!GANTRY_HAS(&table, gantry_causal_lm_t, copy_slots)) {
        limits.features &= ~uint32_t{GANTRY_CAUSAL_LM_TREE};  // accepted branches could not be kept
    }
    const std::pair<const char*, uint64_t> required[] = {
        {"vocab_size", limits.vocab_size},           {"block_size", limits.block_size},
        {"block_count", limits.block_count},         {"max_context", limits.max_context},
        {"max_step_tokens", limits.max_step_tokens}, {"max_sequences", limits.max_sequences},
        {"max_logit_rows", limits.max_logit_rows},
    };
    for (const auto& [name, value] : required) {
        if (value == 0) {
            return broken(std::string("its model says that ") + name + " is 0");
        }
    }
    plan = from_abi(info.plan);
    return limits;
}

}  // namespace

void ModelDeleter::operator()(gantry_model_t* model) const noexcept {
    if (model != nullptr && GANTRY_HAS(model, gantry_model_t, destroy)) {
        try {
            model->destroy(model);
        } catch (...) {  // against the contract, and nobody is left to tell
        }
    }
}

Result<std::unique_ptr<engine::CausalModel>> wrap_causal_model(gantry_model_t* model, std::shared_ptr<void> keep,
                                                               std::unique_ptr<ManifestAdapter> manifest,
                                                               std::string& plan) {
    if (model == nullptr) {
        return broken("load reported success without a model");
    }
    if (!GANTRY_HAS(model, gantry_model_t, destroy)) {
        return broken("its model cannot be destroyed");
    }
    ModelHandle handle(model);
    GANTRY_CHECK_OK(check_tables(*model));
    GANTRY_TRY(const gantry_causal_lm_t* table, causal_table(model));
    GANTRY_TRY(const gantry_sampler_t* sampler, sampler_table(model));
    GANTRY_TRY(const engine::ModelLimits limits, read_limits(model, *table, plan));
    return std::unique_ptr<engine::CausalModel>(std::make_unique<PluginModel>(
        std::move(keep), std::move(manifest), std::move(handle), table, sampler, adapter_table(model), limits));
}

}  // namespace gantry::plugins
