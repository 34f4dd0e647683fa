#include "plugins/gpu/provider.hpp"

#include <utility>

#include "plugins/gpu/device.hpp"

namespace gantry::gpu {
namespace {

class GpuProvider final : public transformer::DeviceProvider {
  public:
    explicit GpuProvider(std::unique_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}
    std::string_view id() const override { return runtime_->id(); }
    std::string_view version() const override { return GANTRY_GPU_VERSION; }
    int32_t score() const override { return runtime_->score(); }
    const std::vector<gantry_device_t>& devices() override { return runtime_->devices(); }
    std::string_view why_no_devices() const override { return runtime_->why_no_devices(); }
    std::vector<std::string_view> option_names() const override { return {}; }
    transformer::KvType default_kv_type() const override { return transformer::KvType::kF16; }
    std::unique_ptr<transformer::Device> create(uint32_t index, uint32_t, std::span<const gantry_option_t>) override {
        return std::make_unique<GpuDevice>(runtime_->open(index));
    }

  private:
    std::unique_ptr<Runtime> runtime_;
};

}  // namespace

std::unique_ptr<transformer::DeviceProvider> make_provider(std::unique_ptr<Runtime> runtime) {
    return std::make_unique<GpuProvider>(std::move(runtime));
}

}  // namespace gantry::gpu
