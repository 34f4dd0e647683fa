#include <unistd.h>
#include <gantry/cpp/error.hpp>
#include <gantry/transformer/adapter.hpp>

#include <utility>

#include "device.hpp"

namespace gantry::reference {
namespace {

uint64_t pages(int name) {
    const long count = sysconf(name);
    const long size = sysconf(_SC_PAGESIZE);
    return count < 0 || size < 0 ? 0 : static_cast<uint64_t>(count) * static_cast<uint64_t>(size);
}

class ReferenceProvider final : public transformer::DeviceProvider {
  public:
    std::string_view id() const override { return "reference"; }
    std::string_view version() const override { return REFERENCE_VERSION; }
    int32_t score() const override { return 0; }  // an oracle: any other plugin is the better choice

    const std::vector<gantry_device_t>& devices() override {
        gantry_device_t& d = devices_.front();
        d.struct_size = GANTRY_SIZE(gantry_device_t, peers);
        d.kind = GANTRY_DEVICE_CPU;
        d.unified = 1;
        d.name = {"CPU, scalar", 11};
        d.memory_total = pages(_SC_PHYS_PAGES);
        d.memory_free = pages(_SC_AVPHYS_PAGES);
        return devices_;
    }

    std::string_view why_no_devices() const override { return {}; }
    std::vector<std::string_view> option_names() const override { return {}; }
    transformer::KvType default_kv_type() const override { return transformer::KvType::kF32; }
    std::unique_ptr<transformer::Device> create(uint32_t, uint32_t, std::span<const gantry_option_t>) override {
        return std::make_unique<ReferenceDevice>();
    }

  private:
    std::vector<gantry_device_t> devices_{1};
};

}  // namespace
}  // namespace gantry::reference

GANTRY_EXPORT gantry_error_t* gantry_backend_entry(gantry_entry_args_t* args) {
    std::unique_ptr<gantry::transformer::DeviceProvider> provider;
    if (auto* error =
            gantry::sdk::guard([&] { provider = std::make_unique<gantry::reference::ReferenceProvider>(); })) {
        return error;
    }
    return gantry::transformer::make_backend(args, std::move(provider));
}
