/// gpu::Runtime on CUDA and HIP: nvcc compiles it for the cuda plugin, hipcc for the rocm plugin. The kernels' only
/// device code is made here, by one launch template.

#include <algorithm>
#include <string>
#include <utility>

#ifdef __HIPCC__
#include <hip/hip_runtime.h>
#define GANTRY_GPU_API(name) hip##name
#define GANTRY_GPU_ID "rocm"
#else
#include <cuda_runtime.h>
#define GANTRY_GPU_API(name) cuda##name
#define GANTRY_GPU_ID "cuda"
#endif

#include <gantry/cpp/error.hpp>

#include "plugins/gpu/provider.hpp"

namespace gantry::gpu {
namespace {

using Status = GANTRY_GPU_API(Error_t);
using Stream = GANTRY_GPU_API(Stream_t);
using Properties =
#ifdef __HIPCC__
    hipDeviceProp_t;
#else
    cudaDeviceProp;
#endif
constexpr Status kSuccess = GANTRY_GPU_API(Success);

std::string text_of(Status status) { return GANTRY_GPU_API(GetErrorString)(status); }

void check(Status status, const char* doing) {
    if (status == kSuccess) return;
#ifdef __HIPCC__
    const bool memory = status == hipErrorOutOfMemory;
#else
    const bool memory = status == cudaErrorMemoryAllocation;
#endif
    throw sdk::Error(memory ? GANTRY_ERR_OUT_OF_MEMORY : GANTRY_ERR_INTERNAL,
                     std::string(GANTRY_GPU_ID) + ": " + doing + " failed: " + text_of(status));
}

/// What a kernel calls `t`, on the device.
class DeviceThread {
  public:
    __device__ uint32_t block_x() const { return blockIdx.x; }
    __device__ uint32_t block_y() const { return blockIdx.y; }
    __device__ uint32_t index() const { return threadIdx.x; }
    __device__ uint32_t count() const { return blockDim.x; }
    __device__ uint32_t warp_size() const { return static_cast<uint32_t>(warpSize); }
    __device__ void barrier() { __syncthreads(); }
    __device__ float warp_sum(float value) {
        for (int distance = warpSize / 2; distance != 0; distance /= 2) value += other(value, distance);
        return value;
    }
    __device__ float warp_max(float value) {
        for (int distance = warpSize / 2; distance != 0; distance /= 2) value = fmaxf(value, other(value, distance));
        return value;
    }
    __device__ float shared_load(uint32_t i) const { return shared()[i]; }
    __device__ void shared_store(uint32_t i, float value) { shared()[i] = value; }
    template <class T>
    __device__ void load(const void* data, uint64_t, uint64_t at, T* to, size_t) {
        *to = *reinterpret_cast<const T*>(static_cast<const char*>(data) + at);
    }
    template <class T>
    __device__ void store(void* data, uint64_t, uint64_t at, const T* from, size_t) {
        *reinterpret_cast<T*>(static_cast<char*>(data) + at) = *from;
    }

  private:
    __device__ static float* shared() {
        extern __shared__ float memory[];
        return memory;
    }
    __device__ static float other(float value, int distance) {
#ifdef __HIPCC__
        return __shfl_xor(value, distance);
#else
        return __shfl_xor_sync(0xffffffffU, value, distance);
#endif
    }
};

template <class K>
__global__ void run_kernel(K kernel) {
    DeviceThread thread;
    kernel(thread);
}

class DeviceBackend final : public Backend {
  public:
    explicit DeviceBackend(int device) : device_(device) {
        check(GANTRY_GPU_API(SetDevice)(device_), "choosing the device");
        Properties properties{};
        check(GANTRY_GPU_API(GetDeviceProperties)(&properties, device_), "reading the device's properties");
        name_ = properties.name;
        warp_size_ = static_cast<uint32_t>(properties.warpSize);
        check(GANTRY_GPU_API(StreamCreate)(&stream_), "creating a stream");
    }
    ~DeviceBackend() override { static_cast<void>(GANTRY_GPU_API(StreamDestroy)(stream_)); }

    void* allocate(size_t bytes) override {
        select();
        void* memory = nullptr;
        check(GANTRY_GPU_API(Malloc)(&memory, std::max<size_t>(bytes, 1)), "allocating device memory");
        return memory;
    }
    void release(void* memory) noexcept override { static_cast<void>(GANTRY_GPU_API(Free)(memory)); }
    void copy_in(void* to, const void* from, size_t bytes) override {
        select();
        check(GANTRY_GPU_API(MemcpyAsync)(to, from, bytes, GANTRY_GPU_API(MemcpyHostToDevice), stream_),
              "copying to the device");
        // The source may be pinned or mapped memory, whose copy goes on after the call.
        check(GANTRY_GPU_API(StreamSynchronize)(stream_), "copying to the device");
    }
    void copy_out(void* to, const void* from, size_t bytes) override {
        select();
        check(GANTRY_GPU_API(MemcpyAsync)(to, from, bytes, GANTRY_GPU_API(MemcpyDeviceToHost), stream_),
              "copying from the device");
        sync();
    }
    void copy(void* to, const void* from, size_t bytes) override {
        select();
        check(GANTRY_GPU_API(MemcpyAsync)(to, from, bytes, GANTRY_GPU_API(MemcpyDeviceToDevice), stream_),
              "copying within the device");
    }
    void run(const Kernel& kernel, const Grid& grid) override {
        select();
        std::visit(
            [&](const auto& k) {
                run_kernel<<<dim3(grid.x, grid.y), dim3(grid.threads), grid.shared_floats * sizeof(float), stream_>>>(k);
            },
            kernel);
        check(GANTRY_GPU_API(GetLastError)(), "launching a kernel");
    }
    void sync() override { check(GANTRY_GPU_API(StreamSynchronize)(stream_), "computing"); }
    uint32_t warp_size() const override { return warp_size_; }
    std::string name() const override { return name_; }

  private:
    /// The runtime's current device is the calling thread's; loading and computing are different threads.
    void select() { check(GANTRY_GPU_API(SetDevice)(device_), "choosing the device"); }

    int device_;
    uint32_t warp_size_ = 0;
    Stream stream_ = nullptr;
    std::string name_;
};

class DeviceRuntime final : public Runtime {
  public:
    DeviceRuntime() {
        int count = 0;
        const Status status = GANTRY_GPU_API(GetDeviceCount)(&count);
        if (status != kSuccess) {
            why_ = std::string("the ") + GANTRY_GPU_ID + " runtime found no usable driver or GPU: " + text_of(status);
            return;
        }
        if (count <= 0) why_ = std::string("the ") + GANTRY_GPU_ID + " driver lists no GPU";
        names_.resize(static_cast<size_t>(std::max(count, 0)));
        devices_.resize(names_.size());
        for (size_t i = 0; i < names_.size(); ++i) {
            Properties properties{};
            check(GANTRY_GPU_API(GetDeviceProperties)(&properties, static_cast<int>(i)), "listing the devices");
            names_[i] = properties.name;
            gantry_device_t& d = devices_[i];
            d.struct_size = GANTRY_SIZE(gantry_device_t, peers);
            d.kind = GANTRY_DEVICE_GPU;
            d.index = static_cast<uint32_t>(i);
            d.name = sdk::to_abi(names_[i]);
        }
    }
    std::string_view id() const override { return GANTRY_GPU_ID; }
    /// Below the cpu plugin's until it has been run on GPUs: who names it gets it.
    int32_t score() const override { return 1; }
    const std::vector<gantry_device_t>& devices() override {
        for (gantry_device_t& d : devices_) {
            size_t free = 0;
            size_t total = 0;
            check(GANTRY_GPU_API(SetDevice)(static_cast<int>(d.index)), "choosing the device");
            check(GANTRY_GPU_API(MemGetInfo)(&free, &total), "reading the device's memory");
            d.memory_free = free;
            d.memory_total = total;
        }
        return devices_;
    }
    std::string_view why_no_devices() const override { return why_; }
    std::unique_ptr<Backend> open(uint32_t index) override {
        return std::make_unique<DeviceBackend>(static_cast<int>(index));
    }

  private:
    std::vector<std::string> names_;
    std::vector<gantry_device_t> devices_;
    std::string why_;
};

}  // namespace

std::unique_ptr<Runtime> make_runtime() { return std::make_unique<DeviceRuntime>(); }

}  // namespace gantry::gpu
