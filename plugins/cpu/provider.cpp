#include "plugins/cpu/provider.hpp"

#include <gantry/cpp/error.hpp>
#include <gantry/cpp/host.hpp>

#include <cstdlib>
#include <fstream>

#include "plugins/cpu/device.hpp"

namespace gantry::cpu {
namespace {

/// What the processor calls itself, or "CPU".
std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("model name", 0) != 0) continue;
        const size_t value = line.find_first_not_of(": \t", line.find(':'));
        if (value != std::string::npos) return line.substr(value);
    }
    return "CPU";
}

std::string_view forced_isa() {
    const char* value = std::getenv("GANTRY_CPU_ISA");
    return value == nullptr ? std::string_view{} : value;
}

std::vector<uint32_t> cpus_to_pin(const gantry_host_t* host) {
    const auto* threads = sdk::Host(host).extension<gantry_host_threads_t>(GANTRY_HOST_THREADS);
    if (threads == nullptr || !GANTRY_COVERS(threads, gantry_host_threads_t, cpu_count) || threads->cpus == nullptr) {
        return {};
    }
    return {threads->cpus, threads->cpus + threads->cpu_count};
}

[[noreturn]] void refuse(std::string_view key, std::string_view value, std::string_view known) {
    throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, "option '" + std::string(key) + "' is '" + std::string(value) + "'",
                     "known are: " + std::string(known));
}

Precision read_precision(std::string_view value) {
    if (value == "auto") return Precision::kAuto;
    if (value == "fp32") return Precision::kFp32;
    refuse("precision", value, "auto, fp32");
}

Prefill read_prefill(std::string_view value) {
    if (value == "auto") return Prefill::kAuto;
    if (value == "onednn") return Prefill::kOneDnn;
    if (value == "own") return Prefill::kOwn;
    refuse("prefill", value, "auto, onednn, own");
}

}  // namespace

CpuProvider::CpuProvider(const gantry_host_t* host)
    : features_(detect_features()),
      kernels_(select_kernels(forced_isa(), features_)),
      pinned_cpus_(cpus_to_pin(host)),
      name_(processor_name()),
      feature_names_(feature_names(features_)),
      devices_(1) {
    gantry_device_t& d = devices_.front();
    d.struct_size = GANTRY_SIZE(gantry_device_t, peers);
    d.kind = GANTRY_DEVICE_CPU;
    d.unified = 1;
    d.name = sdk::to_abi(name_);
    d.features = sdk::to_abi(feature_names_);
}

std::string_view CpuProvider::version() const { return GANTRY_CPU_VERSION; }

const std::vector<gantry_device_t>& CpuProvider::devices() {
    const HostMemory memory = host_memory();
    devices_.front().memory_total = memory.total;
    devices_.front().memory_free = memory.available;
    return devices_;
}

std::unique_ptr<transformer::Device> CpuProvider::create(uint32_t, uint32_t threads,
                                                         std::span<const gantry_option_t> options) {
    DeviceOptions chosen{threads, pinned_cpus_, Precision::kAuto, Prefill::kAuto};
    for (const gantry_option_t& option : options) {
        const std::string_view key = sdk::from_abi(option.key);
        const std::string_view value = sdk::from_abi(option.value);
        if (key == "precision") chosen.precision = read_precision(value);
        if (key == "prefill") chosen.prefill = read_prefill(value);
    }
    return std::make_unique<CpuDevice>(kernels_, features_, chosen);
}

}  // namespace gantry::cpu
