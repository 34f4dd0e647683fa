#include "plugins/gpu/emulator/backend.hpp"

#include <gantry/cpp/error.hpp>

#include <cstring>
#include <new>
#include <stdexcept>

namespace gantry::gpu::emulator {
namespace {

constexpr std::align_val_t kAlignment{256};  // as cudaMalloc's

class EmulatedBackend final : public Backend {
  public:
    EmulatedBackend(uint32_t warp_size, Checks checks) : warp_size_(warp_size), checks_(checks) {}
    void* allocate(size_t bytes) override {
        void* memory = ::operator new(bytes, kAlignment);
        std::memset(memory, 0, bytes);
        return memory;
    }
    void release(void* memory) noexcept override { ::operator delete(memory, kAlignment); }
    void copy_in(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
    void copy_out(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
    void copy(void* to, const void* from, size_t bytes) override {
        if (bytes != 0) std::memmove(to, from, bytes);
    }
    void run(const Kernel& kernel, const Grid& grid) override {
        try {
            std::visit([&](const auto& k) { launch(k, grid, warp_size_, checks_, stacks_); }, kernel);
        } catch (const std::runtime_error& fault) {
            throw sdk::Error(GANTRY_ERR_INTERNAL, fault.what());
        }
    }
    void sync() override {}
    uint32_t warp_size() const override { return warp_size_; }
    std::string name() const override { return "emulated GPU"; }

  private:
    uint32_t warp_size_;
    Checks checks_;
    Stacks stacks_{kStackBytes};
};

}  // namespace

std::unique_ptr<Backend> make_backend(uint32_t warp_size, Checks checks) {
    return std::make_unique<EmulatedBackend>(warp_size, checks);
}

}  // namespace gantry::gpu::emulator
