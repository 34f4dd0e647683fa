#pragma once

/// Who this plugin is and what processor it found.

#include <gantry/host.h>
#include <gantry/transformer/device.hpp>

#include <string>
#include <vector>

#include "plugins/cpu/dispatch.hpp"

namespace gantry::cpu {

class CpuProvider final : public transformer::DeviceProvider {
  public:
    /// Reads the host's thread extension for CPUs to pin to, and GANTRY_CPU_ISA; throws gantry::sdk::Error where the
    /// latter names nothing that this processor has. `host` may be null.
    explicit CpuProvider(const gantry_host_t* host);

    std::string_view id() const override { return "cpu"; }
    std::string_view version() const override;
    int32_t score() const override { return 60; }
    const std::vector<gantry_device_t>& devices() override;
    std::string_view why_no_devices() const override { return {}; }
    std::vector<std::string_view> option_names() const override { return {"precision", "prefill"}; }
    transformer::KvType default_kv_type() const override { return transformer::KvType::kF16; }
    /// Options: precision = auto, fp32; prefill = auto, onednn, own.
    std::unique_ptr<transformer::Device> create(uint32_t device_index, uint32_t threads,
                                                std::span<const gantry_option_t> options) override;

  private:
    CpuFeatures features_;
    const Kernels& kernels_;
    std::vector<uint32_t> pinned_cpus_;
    std::string name_;
    std::string feature_names_;
    std::vector<gantry_device_t> devices_;
};

}  // namespace gantry::cpu
