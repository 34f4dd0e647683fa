// Entry, devices, assess, load, cancel, destroy.

#include <fstream>
#include <thread>
#include <vector>

#include "tests/plugins/conformance_test.hpp"

namespace gantry::test {
namespace {

/// Resident bytes and threads of this process.
struct Usage {
    uint64_t resident = 0, threads = 0;
};

Usage usage() {
    Usage u;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) u.resident = std::stoull(line.substr(6)) * 1024;
        if (line.starts_with("Threads:")) u.threads = std::stoull(line.substr(8));
    }
    return u;
}

/// Cancels at the given call of keep_going.
struct Canceller {
    int calls = 0, stop_at = 0;
    gantry_progress_t progress() {
        gantry_progress_t p{};
        p.ctx = this;
        p.keep_going = [](void* ctx) -> int32_t {
            auto* self = static_cast<Canceller*>(ctx);
            return ++self->calls == self->stop_at ? 0 : 1;
        };
        return p;
    }
};

}  // namespace

TEST_P(Conformance, EntryNegotiatesWithinTheHostsRange) {
    const auto enter = [this](uint32_t min, uint32_t max, gantry_entry_args_t& args) {
        static const TestHost kHost;
        args = {};
        args.struct_size = GANTRY_SIZE(gantry_entry_args_t, backend);
        args.host_abi_min = min;
        args.host_abi_max = max;
        args.host = kHost.get();
        return take(plugin().entry()(&args));
    };
    gantry_entry_args_t args{};
    ASSERT_FALSE(enter(GANTRY_ABI_VERSION, GANTRY_ABI_VERSION, args));
    EXPECT_EQ(args.plugin_abi, GANTRY_ABI_VERSION);
    args.backend->destroy(args.backend);
    // A newer host that still speaks this version.
    ASSERT_FALSE(enter(GANTRY_MAKE_VERSION(0, 9), GANTRY_MAKE_VERSION(0, 12), args));
    EXPECT_EQ(args.plugin_abi, GANTRY_MAKE_VERSION(0, 9));
    args.backend->destroy(args.backend);
    for (const auto& [min, max] : {std::pair{GANTRY_MAKE_VERSION(0, 1), GANTRY_MAKE_VERSION(0, 8)},
                                   std::pair{GANTRY_MAKE_VERSION(7, 3), GANTRY_MAKE_VERSION(7, 4)}}) {
        const auto failure = enter(min, max, args);
        ASSERT_TRUE(failure);
        EXPECT_EQ(failure->code, GANTRY_ERR_FAILED_PRECONDITION);
        EXPECT_NE(failure->message.find("0.9"), std::string::npos) << failure->message;
        EXPECT_NE(failure->message.find(std::to_string(GANTRY_VERSION_MAJOR(max)) + "." +
                                        std::to_string(GANTRY_VERSION_MINOR(max))),
                  std::string::npos)
            << failure->message;
        EXPECT_EQ(args.backend, nullptr);
    }
    args = {};
    args.struct_size = 8;
    EXPECT_TRUE(take(plugin().entry()(&args)));
    EXPECT_TRUE(take(plugin().entry()(nullptr)));
}

TEST_P(Conformance, DestroyAcceptsNull) {
    const TestModel model = random_model(GANTRY_DTYPE_F32, 1);
    const auto loaded = plugin().load(model);
    loaded->get()->destroy(nullptr);
    plugin().backend()->destroy(nullptr);
    EXPECT_EQ(loaded->get()->get_extension(loaded->get(), "nobody.knows/1"), nullptr);
}

TEST_P(Conformance, DevicesAreDescribed) {
    const gantry_device_t* devices = nullptr;
    uint32_t count = 0;
    gantry_str_t why{};
    ASSERT_FALSE(take(plugin().backend()->devices(plugin().backend(), &devices, &count, &why)));
    ASSERT_GT(count, 0U) << std::string(why.data, why.size);
    for (uint32_t i = 0; i < count; ++i) {
        EXPECT_GT(devices[i].name.size, 0U);
        EXPECT_GT(devices[i].memory_total, 0U);
        EXPECT_LE(devices[i].memory_free, devices[i].memory_total);
    }
}

TEST_P(Conformance, AssessTellsWhatLoadTakes) {
    for (const int32_t dtype : {GANTRY_DTYPE_F32, GANTRY_DTYPE_BF16, GANTRY_DTYPE_Q8_0, GANTRY_DTYPE_Q4_K}) {
        SCOPED_TRACE(dtype);
        const TestModel model = random_model(dtype, 3);
        gantry_assessment_t needs{};
        ASSERT_FALSE(plugin().assess(model, {}, needs));
        const auto info = plugin().load(model)->info();
        EXPECT_EQ(needs.block_size, info.block_size);
        EXPECT_EQ(needs.kv_bytes_per_block * info.block_count, info.kv_bytes);
        EXPECT_EQ(needs.weights_bytes, info.weights_bytes);
        EXPECT_EQ(needs.scratch_bytes, info.scratch_bytes);
        EXPECT_GE(needs.max_context, info.max_context);
        EXPECT_GT(info.plan.size, 0U);
    }
}

TEST_P(Conformance, ASpecWithoutWishesLoads) {
    const TestModel model = random_model(GANTRY_DTYPE_Q8_0, 3);
    LoadArgs args;
    args.block_size = args.max_step_tokens = args.max_sequences = args.max_logit_rows = 0;
    args.block_count = 0;
    args.options.clear();
    const auto loaded = plugin().load(model, args);
    const auto info = loaded->info();
    EXPECT_GT(info.block_size, 0U);
    EXPECT_GE(info.block_count * info.block_size, info.max_context);
    EXPECT_GT(info.max_step_tokens, 0U);
    run(*loaded, Part{{1, 2, 3}, 0, {0}});
}

TEST_P(Conformance, CancellingMidLoadFreesAllAndLeavesTheBackendUsable) {
    const TestModel model = random_model(GANTRY_DTYPE_Q8_0, 3);
    Canceller counter;
    LoadArgs args;
    args.progress = counter.progress();
    plugin().load(model, args);
    ASSERT_GT(counter.calls, 5) << "load asks too seldom whether to go on";
    for (int stop_at = 1; stop_at <= counter.calls; ++stop_at) {
        Canceller canceller;
        canceller.stop_at = stop_at;
        args.progress = canceller.progress();
        std::unique_ptr<Model> out;
        const auto failure = plugin().load(model, args, out);
        ASSERT_TRUE(failure) << "stopped at " << stop_at;
        EXPECT_EQ(failure->code, GANTRY_ERR_CANCELLED);
        EXPECT_EQ(canceller.calls, stop_at) << "asked again after the stop";
    }
    plugin().load(model);
}

TEST_P(Conformance, ProgressRisesToTheTotal) {
    struct Seen {
        std::string stage;
        uint64_t done = 0, total = 0;
        bool fell = false;
    } seen;
    LoadArgs args;
    args.progress.ctx = &seen;
    args.progress.report = [](void* ctx, gantry_str_t stage, uint64_t done, uint64_t total) {
        auto& s = *static_cast<Seen*>(ctx);
        const std::string name(stage.data, stage.size);
        s.fell = s.fell || (name == s.stage && done < s.done) || done > total;
        s = {name, done, total, s.fell};
    };
    const TestModel model = random_model(GANTRY_DTYPE_F16, 3);
    plugin().load(model, args);
    EXPECT_FALSE(seen.fell);
    EXPECT_EQ(seen.done, seen.total);
    EXPECT_GT(seen.total, 0U);
}

TEST_P(Conformance, AHundredLoadsAndUnloadsLeakNothing) {
    const TestModel model = random_model(GANTRY_DTYPE_Q8_0, 3);
    const auto cycle = [&] { run(*plugin().load(model), Part{{1, 2, 3}, 0, {0}}); };
    for (int i = 0; i < 5; ++i) cycle();
    const Usage before = usage();
    for (int i = 0; i < 100; ++i) cycle();
    const Usage after = usage();
    EXPECT_EQ(after.threads, before.threads);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose allocators keep freed memory
    // One model's cache alone is 4 MiB, so a hundredth of what a leak would leave.
    EXPECT_LE(after.resident, before.resident + (uint64_t{4} << 20));
#endif
}

TEST_P(Conformance, TwoModelsAtOnceDoNotInterfere) {
    const Golden a = read_golden("llama"), b = read_golden("qwen3");
    const auto one = plugin().load(a.model), two = plugin().load(b.model);
    const Part part_a{a.prompt, 0, blocks_from(0, 4)}, part_b{b.prompt, 0, blocks_from(0, 4)};
    const Rows alone_a = run(*one, part_a), alone_b = run(*two, part_b);
    // In turn, then at the same time from two threads.
    EXPECT_LE(difference(run(*one, part_a), alone_a), own_tolerance());
    Rows got_a, got_b;
    std::thread other([&] {
        for (int i = 0; i < 10; ++i) got_b = run(*two, part_b);
    });
    for (int i = 0; i < 10; ++i) got_a = run(*one, part_a);
    other.join();
    EXPECT_LE(difference(got_a, alone_a), own_tolerance());
    EXPECT_LE(difference(got_b, alone_b), own_tolerance());
}

}  // namespace gantry::test
