#include "runtime/runner/guarded_model.hpp"

#include <utility>

namespace gantry::runner {
namespace {

class GuardedModel final : public engine::CausalModel {
  public:
    GuardedModel(std::unique_ptr<engine::CausalModel> model, std::function<void(Error)> on_broken)
        : model_(std::move(model)), on_broken_(std::move(on_broken)) {}

    const engine::ModelLimits& limits() const override { return model_->limits(); }
    Status execute(const gantry_batch_t& batch) override { return watch(model_->execute(batch)); }
    Status copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) override {
        return watch(model_->copy_blocks(src, dst));
    }
    Status read_blocks(std::span<const uint32_t> blocks, void* host) override {
        return watch(model_->read_blocks(blocks, host));
    }
    Status write_blocks(std::span<const uint32_t> blocks, const void* host) override {
        return watch(model_->write_blocks(blocks, host));
    }
    Status copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) override {
        return watch(model_->copy_slots(src, dst));
    }
    bool has_sampler() const override { return model_->has_sampler(); }
    Status sample(std::span<const gantry_sample_params_t* const> params,
                  std::span<gantry_sample_result_t* const> results) override {
        return watch(model_->sample(params, results));
    }

    Result<uint32_t> load_adapter(const gantry_manifest_t& adapter, double scale) override {
        return model_->load_adapter(adapter, scale);
    }
    Status drop_adapter(uint32_t id) override { return watch(model_->drop_adapter(id)); }

    std::string block_identity() override { return model_->block_identity(); }

  private:
    Status watch(Status status) {
        if (!status && status.error().code == Code::kInternal && on_broken_) {
            std::exchange(on_broken_, nullptr)(status.error());
        }
        return status;
    }

    std::unique_ptr<engine::CausalModel> model_;
    std::function<void(Error)> on_broken_;
};

}  // namespace

std::unique_ptr<engine::CausalModel> guard_model(std::unique_ptr<engine::CausalModel> model,
                                                 std::function<void(Error)> on_broken) {
    return std::make_unique<GuardedModel>(std::move(model), std::move(on_broken));
}

}  // namespace gantry::runner
