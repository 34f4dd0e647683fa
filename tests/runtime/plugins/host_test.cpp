// What a plugin sees of us: the host table and the manifest, used through the contract's own structs.

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/plugins/abi_convert.hpp"
#include "runtime/plugins/host_table.hpp"
#include "runtime/plugins/manifest_adapter.hpp"
#include "tests/runtime/plugins/plugin_folder.hpp"

namespace gantry::plugins {
namespace {

using testing::TempDir;
using testing::tiny_manifest;

TEST(HostTable, OffersItsExtensionsById) {
    HostTable table("tiny", 3);
    const gantry_host_t* host = table.table();
    EXPECT_EQ(host->abi_version, GANTRY_ABI_VERSION);
    const auto* threads = static_cast<const gantry_host_threads_t*>(host->get_extension(host, GANTRY_HOST_THREADS));
    ASSERT_NE(threads, nullptr);
    EXPECT_EQ(threads->thread_count, 3u);
    EXPECT_EQ(host->get_extension(host, "gantry.host.threads/2"), nullptr);
    EXPECT_EQ(host->get_extension(host, nullptr), nullptr);
}

TEST(HostTable, KeepsMetrics) {
    HostTable table("tiny", 1);
    const gantry_host_t* host = table.table();
    const auto* metrics = static_cast<const gantry_host_metrics_t*>(host->get_extension(host, GANTRY_HOST_METRICS));
    ASSERT_NE(metrics, nullptr);
    metrics->counter_add(host, to_abi("steps"), 2);
    metrics->counter_add(host, to_abi("steps"), 3);
    metrics->gauge_set(host, to_abi("load"), 0.5);
    metrics->gauge_set(host, to_abi("load"), 0.25);
    EXPECT_EQ(table.metrics(), (std::map<std::string, double>{{"load", 0.25}, {"steps", 5}}));
}

TEST(HostTable, AccountsForScratch) {
    HostTable table("tiny", 1);
    const gantry_host_t* host = table.table();
    const auto* scratch = static_cast<const gantry_host_scratch_t*>(host->get_extension(host, GANTRY_HOST_SCRATCH));
    ASSERT_NE(scratch, nullptr);
    void* memory = scratch->allocate(host, 1000, 64);
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
    EXPECT_GE(table.scratch_bytes(), 1000u);
    scratch->release(host, memory);
    scratch->release(host, nullptr);
    EXPECT_EQ(table.scratch_bytes(), 0u);
    EXPECT_EQ(scratch->allocate(host, 1000, 48), nullptr);
    EXPECT_EQ(scratch->allocate(host, 0, 64), nullptr);
    EXPECT_EQ(scratch->allocate(host, UINT64_MAX / 2, 64), nullptr);
}

TEST(ManifestAdapter, GivesHyperparametersByType) {
    const TempDir dir;
    const ManifestAdapter adapter(tiny_manifest(dir.path()), ManifestAdapter::Data::kHidden);
    const gantry_manifest_t* m = adapter.table();
    int64_t i = 0;
    double f = 0;
    int32_t b = 0;
    gantry_str_t s{};
    const int64_t* ints = nullptr;
    const double* floats = nullptr;
    uint64_t count = 0;
    EXPECT_TRUE(m->get_int(m, "vocab_size", &i));
    EXPECT_EQ(i, 32);
    EXPECT_TRUE(m->get_float(m, "norm_eps", &f));
    EXPECT_EQ(f, 0.5);
    EXPECT_TRUE(m->get_bool(m, "tie_embeddings", &b));
    EXPECT_EQ(b, 1);
    EXPECT_TRUE(m->get_string(m, "activation", &s));
    EXPECT_EQ(from_abi(s), "silu");
    EXPECT_TRUE(m->get_int_array(m, "sliding_window_layers", &ints, &count));
    EXPECT_EQ(std::vector<int64_t>(ints, ints + count), (std::vector<int64_t>{1, 0, 1}));
    EXPECT_TRUE(m->get_float_array(m, "rope.frequency_divisors", &floats, &count));
    EXPECT_EQ(count, 2u);
    // A key that is missing or of another type leaves the output alone.
    i = 7;
    EXPECT_FALSE(m->get_int(m, "norm_eps", &i));
    EXPECT_FALSE(m->get_int(m, "no such key", &i));
    EXPECT_FALSE(m->get_int(m, nullptr, &i));
    EXPECT_EQ(i, 7);
}

TEST(ManifestAdapter, ShowsTensorsWithoutCopying) {
    const TempDir dir;
    const auto manifest = tiny_manifest(dir.path());
    const ManifestAdapter hidden(manifest, ManifestAdapter::Data::kHidden);
    const ManifestAdapter mapped(manifest, ManifestAdapter::Data::kMapped);
    const gantry_manifest_t* m = mapped.table();
    ASSERT_EQ(m->tensor_count, 2u);
    EXPECT_EQ(from_abi(m->tensor_name(m, 1)), "output.weight");
    EXPECT_EQ(m->tensor_name(m, 2).size, 0u);
    EXPECT_EQ(m->find_tensor(m, to_abi("output.weight")), 1);
    EXPECT_EQ(m->find_tensor(m, to_abi("nothing")), -1);

    gantry_tensor_view_t view{};
    view.struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
    ASSERT_EQ(m->tensor(m, 1, &view), nullptr);
    EXPECT_EQ(view.rank, 2u);
    EXPECT_EQ(view.shape[1], 64u);
    EXPECT_EQ(view.nbytes, 8192u);
    EXPECT_EQ(view.data, manifest->files[0]->bytes().data() + 576);
    m->tensor_done(m, 1);
    m->tensor_done(m, 99);
    EXPECT_EQ(static_cast<const unsigned char*>(view.data)[0], 576 % 251);  // given back, not lost

    ASSERT_EQ(hidden.table()->tensor(hidden.table(), 0, &view), nullptr);
    EXPECT_EQ(view.data, nullptr);

    gantry_error_t* error = m->tensor(m, 2, &view);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->code, GANTRY_ERR_INVALID_ARGUMENT);
    error->destroy(error);
}

TEST(ManifestAdapter, WritesNoMoreThanThePluginHasRoomFor) {
    const TempDir dir;
    const ManifestAdapter adapter(tiny_manifest(dir.path()), ManifestAdapter::Data::kMapped);
    gantry_tensor_view_t view;
    std::memset(&view, 0x5a, sizeof view);
    view.struct_size = GANTRY_SIZE(gantry_tensor_view_t, nbytes);
    ASSERT_EQ(adapter.table()->tensor(adapter.table(), 0, &view), nullptr);
    EXPECT_EQ(view.struct_size, GANTRY_SIZE(gantry_tensor_view_t, nbytes));
    EXPECT_EQ(view.nbytes, 512u);
    unsigned char bytes[sizeof view.data];
    std::memcpy(bytes, &view.data, sizeof bytes);
    EXPECT_EQ(bytes[0], 0x5a);
}

TEST(Errors, CrossTheBoundaryUnchanged) {
    for (const Code code : {Code::kInvalidArgument, Code::kNotFound, Code::kOutOfMemory, Code::kCancelled,
                            Code::kDataLoss, Code::kUnimplemented, Code::kUnavailable, Code::kResourceExhausted}) {
        const Error back = take_error(make_abi_error({code, "what", "do"}));
        EXPECT_EQ(back.code, code);
        EXPECT_EQ(back.message, "what");
        EXPECT_EQ(back.hint, "do");
    }
    EXPECT_EQ(take_error(make_abi_error({Code::kTooLarge, "x"})).code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace gantry::plugins
