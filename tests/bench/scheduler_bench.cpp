/// What scheduling costs, without a model: `scheduler_bench`. Times are medians; one line a figure, JSON.
///
///   plan       plan(), the batch's arrays, commit() and append(), for each sequence of a decoding batch
///   look_up    finding an 8,192-token prompt in the prefix cache: its hashes, and with them known
///   admission  one admission while 1,000 requests of so many keys wait
///   fairness   a whole mixed load's steps with one key for all, and with a key for each

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "runtime/engine/batch_builder.hpp"
#include "runtime/engine/scheduler.hpp"

namespace gantry::engine {
namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

double median(std::vector<double> values) {
    std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
    return values[values.size() / 2];
}

double time(int runs, const std::function<void()>& call) {
    std::vector<double> all;
    for (int i = 0; i < runs; ++i) {
        const auto begin = Clock::now();
        call();
        all.push_back(microseconds(Clock::now() - begin));
    }
    return median(std::move(all));
}

std::vector<int32_t> text(std::mt19937_64& random, size_t length) {
    std::vector<int32_t> out(length);
    std::ranges::generate(out, [&] { return static_cast<int32_t>(random() % 150'000); });
    return out;
}

void bench_plan(uint32_t batch, size_t context) {
    std::mt19937_64 random(1);
    BlockManager blocks(static_cast<uint32_t>(batch * (context / 16 + 80)), 16, true);
    Scheduler scheduler({8192, batch}, blocks);
    BatchBuilder builder(16, 1);
    for (uint32_t i = 0; i < batch; ++i) {
        scheduler.add(i + 1, 0, text(random, context), std::to_string(i % 8));
    }
    const auto step = [&] {
        const StepPlan plan = scheduler.plan(Clock::time_point{});
        builder.build(plan.items, scheduler, false);
        scheduler.commit(plan);
        for (const StepItem& item : plan.items) {
            if (item.samples) {
                scheduler.append(item.id, 7);
            }
        }
    };
    while (scheduler.waiting() > 0 || scheduler.at(batch).pending() > 1) {
        step();
    }
    std::printf("{\"figure\":\"plan\",\"batch\":%u,\"context\":%zu,\"us_per_sequence\":%.3f}\n", batch, context,
                time(1000, step) / batch);
}

void bench_look_up() {
    std::mt19937_64 random(2);
    constexpr size_t kTokens = 8192;
    BlockManager blocks(40'000, 16, true);
    std::vector<int32_t> wanted;
    for (int i = 0; i < 60; ++i) {  // other texts, so that the index is full
        const std::vector<int32_t> tokens = text(random, kTokens);
        std::vector<BlockId> table;
        for (size_t at = 0; at < kTokens; at += 16) {
            const auto parent = table.empty() ? std::nullopt : std::optional(table.back());
            table.push_back(blocks.publish(parent, *blocks.allocate(), std::span(tokens).subspan(at, 16)));
        }
        wanted = i == 30 ? tokens : wanted;
    }
    std::vector<uint64_t> hashes;
    std::vector<BlockId> found;
    const double hash = time(2000, [&] {
        hashes.clear();
        blocks.extend_hashes(kPlainRoot, wanted, hashes);
    });
    const double match = time(2000, [&] { blocks.match(kPlainRoot, wanted, hashes, found); });
    std::printf("{\"figure\":\"look_up\",\"tokens\":%zu,\"found_blocks\":%zu,\"hash_us\":%.2f,\"match_us\":%.2f}\n",
                kTokens, found.size(), hash, match);
}

void bench_admission(size_t keys) {
    FairShare shares;
    AdmissionQueue queue(std::chrono::seconds(10), shares);
    std::vector<AdmissionQueue::Entry> entries;
    for (SequenceId id = 1; id <= 1000; ++id) {
        const FairShare::Key key = shares.enter(std::to_string(id % keys));
        entries.push_back({Rank::of(id, 0, {}, std::chrono::seconds(10)), key, {}});
        queue.push(entries.back());
    }
    const double each = time(2000, [&] {
        const AdmissionQueue::Entry& entry = entries[queue.next({}) - 1];
        queue.erase(entry);
        shares.charge(entry.key, 100);
        queue.push(entry);
    });
    std::printf("{\"figure\":\"admission\",\"keys\":%zu,\"us\":%.2f}\n", keys, each);
}

/// Microseconds that a load of 2,000 requests takes in the scheduler, and its steps.
std::pair<double, uint64_t> load(size_t keys) {
    std::mt19937_64 random(3);
    BlockManager blocks(4096, 16, true);
    Scheduler scheduler({512, 64}, blocks);
    std::vector<size_t> end{0};
    for (SequenceId id = 1; id <= 2000; ++id) {
        const size_t prompt = 20 + random() % 400;
        end.push_back(prompt + 5 + random() % 100);
        scheduler.add(id, 0, text(random, prompt), std::to_string(id % keys));
    }
    const auto begin = Clock::now();
    uint64_t steps = 0;
    for (; scheduler.running() + scheduler.waiting() > 0; ++steps) {
        const StepPlan plan = scheduler.plan(Clock::time_point{});
        scheduler.commit(plan);
        for (const StepItem& item : plan.items) {
            if (item.samples) {
                scheduler.append(item.id, 7);
                if (scheduler.at(item.id).tokens.size() >= end[item.id]) {
                    scheduler.remove(item.id);
                }
            }
        }
    }
    return {microseconds(Clock::now() - begin), steps};
}

void bench_fairness() {
    for (const size_t keys : {size_t{1}, size_t{100}}) {
        std::vector<double> times;
        uint64_t steps = 0;
        for (int i = 0; i < 5; ++i) {
            const auto [us, count] = load(keys);
            times.push_back(us);
            steps = count;
        }
        std::printf("{\"figure\":\"fairness\",\"keys\":%zu,\"steps\":%llu,\"us_per_step\":%.2f}\n", keys,
                    static_cast<unsigned long long>(steps), median(times) / static_cast<double>(steps));
    }
}

}  // namespace
}  // namespace gantry::engine

int main() {
    using namespace gantry::engine;
    for (const uint32_t batch : {16u, 256u}) {
        for (const size_t context : {size_t{500}, size_t{8000}}) {
            bench_plan(batch, context);
        }
    }
    bench_look_up();
    bench_admission(1);
    bench_admission(100);
    bench_fairness();
    return 0;
}
