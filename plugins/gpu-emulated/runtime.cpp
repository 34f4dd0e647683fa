#include <unistd.h>

#include <gantry/cpp/error.hpp>

#include "plugins/gpu/emulator/backend.hpp"
#include "plugins/gpu/provider.hpp"

namespace gantry::gpu {
namespace {

constexpr uint32_t kWarpSize = 32;

uint64_t pages(int name) {
    const long count = sysconf(name);
    const long size = sysconf(_SC_PAGESIZE);
    return count < 0 || size < 0 ? 0 : static_cast<uint64_t>(count) * static_cast<uint64_t>(size);
}

class EmulatedRuntime final : public Runtime {
  public:
    std::string_view id() const override { return "gpu-emulated"; }
    int32_t score() const override { return -1; }  // for tests; only who asks for it gets it
    const std::vector<gantry_device_t>& devices() override {
        gantry_device_t& d = devices_.front();
        d.struct_size = GANTRY_SIZE(gantry_device_t, peers);
        d.kind = GANTRY_DEVICE_CPU;  // whose memory and time it takes
        d.unified = 1;
        d.name = sdk::to_abi("emulated GPU, warp 32");
        d.memory_total = pages(_SC_PHYS_PAGES);
        d.memory_free = pages(_SC_AVPHYS_PAGES);
        return devices_;
    }
    std::string_view why_no_devices() const override { return {}; }
    std::unique_ptr<Backend> open(uint32_t) override {
        return emulator::make_backend(kWarpSize, emulator::Checks::kBounds);
    }

  private:
    std::vector<gantry_device_t> devices_{1};
};

}  // namespace

std::unique_ptr<Runtime> make_runtime() { return std::make_unique<EmulatedRuntime>(); }

}  // namespace gantry::gpu
