// Random arrivals at the scheduler, on a clock that the test moves. The model is not there: a plan counts as computed.
// The bounds that are asserted are derived next to each assertion.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "runtime/engine/scheduler.hpp"

namespace gantry::engine {
namespace {

using std::chrono::milliseconds;

uint64_t schedules(uint64_t usual) { return std::getenv("GANTRY_TEST_LONG") == nullptr ? usual : usual * 20; }

class Dice {
  public:
    explicit Dice(uint64_t seed) : engine_(seed) {}
    uint32_t pick(uint32_t low, uint32_t high) { return low + static_cast<uint32_t>(engine_() % (high - low + 1)); }
    bool chance(uint32_t percent) { return pick(1, 100) <= percent; }
    std::vector<int32_t> text(uint32_t length) {
        std::vector<int32_t> out;
        for (uint32_t i = 0; i < length; ++i) {
            out.push_back(static_cast<int32_t>(engine_() % 50'000));
        }
        return out;
    }

  private:
    std::mt19937_64 engine_;
};

struct Life {
    std::string key;
    int32_t priority = 0;
    TimePoint arrival{};
    size_t prompt = 0, end = 0;  ///< tokens: of the prompt, and at which it is whole
    std::optional<uint64_t> admitted;
    std::optional<TimePoint> admitted_at;
};

/// The scheduler with a clock of its own, and what has become of each sequence.
class World {
  public:
    World(uint32_t block_count, SchedulerLimits limits, bool cache)
        : blocks_(block_count, 4, cache), scheduler_(std::move(limits), blocks_) {}

    SequenceId add(Dice& dice, const std::string& key, int32_t priority, uint32_t prompt, uint32_t answer) {
        const SequenceId id = ++last_;
        scheduler_.add(id, priority, dice.text(prompt), key, now);
        lives[id] = {key, priority, now, prompt, prompt + answer, {}, {}};
        return id;
    }

    /// One step of `duration`; the sequences that are whole end.
    void step(Duration duration = milliseconds(10)) {
        const StepPlan plan = scheduler_.plan(now);
        ASSERT_EQ(plan.items.empty(), lives.empty());
        for (const SequenceId id : plan.admitted) {
            Life& life = lives.at(id);
            life.admitted = life.admitted.value_or(steps);
            life.admitted_at = life.admitted_at.value_or(now);
            order.push_back(id);
        }
        scheduler_.commit(plan);
        preemptions += plan.preempted.size();
        for (const StepItem& item : plan.items) {
            served[lives.at(item.id).key] += item.count;
            if (!item.samples) {
                continue;
            }
            scheduler_.append(item.id, static_cast<int32_t>(item.id % 1000));
            if (scheduler_.at(item.id).tokens.size() >= lives.at(item.id).end) {
                end(item.id);
            }
        }
        ASSERT_EQ(blocks_.audit(), "");
        ASSERT_EQ(scheduler_.running() + scheduler_.waiting(), lives.size());
        now += duration;
        ++steps;
    }
    void end(SequenceId id) {
        scheduler_.remove(id);
        ended[id] = lives.at(id);
        lives.erase(id);
    }

    TimePoint now{};
    uint64_t steps = 0, preemptions = 0;
    std::map<SequenceId, Life> lives, ended;
    std::vector<SequenceId> order;  ///< of admissions
    std::map<std::string, uint64_t> served;
    BlockManager& blocks() { return blocks_; }
    Scheduler& scheduler() { return scheduler_; }

  private:
    SequenceId last_ = 0;
    BlockManager blocks_;
    Scheduler scheduler_;
};

SchedulerLimits limits(uint32_t step_tokens, uint32_t running, Duration ageing = std::chrono::seconds(1)) {
    return {step_tokens, running, ageing, {}};
}

// Everything that arrives ends, whatever arrives beside it, and blocks come back.
TEST(SchedulingProperty, NothingStarvesAndNothingLeaks) {
    uint64_t preemptions = 0;
    for (uint64_t seed = 0; seed < schedules(1000); ++seed) {
        SCOPED_TRACE(seed);
        Dice dice(seed);
        const uint32_t block_count = dice.pick(9, 30);
        World world(block_count, limits(dice.pick(4, 24), dice.pick(1, 4), milliseconds(dice.pick(0, 3) * 50)),
                    dice.chance(50));
        uint64_t work = 0;
        for (uint64_t step = 0; step < 60 || !world.lives.empty(); ++step) {
            if (step < 60 && dice.chance(30)) {
                const uint32_t prompt = dice.pick(1, 16), answer = dice.pick(1, 16);
                const auto key = std::string(1, static_cast<char>('a' + dice.pick(0, 3)));
                world.add(dice, key, static_cast<int32_t>(dice.pick(0, 3)), prompt, answer);
                work += prompt + answer;
            }
            if (!world.lives.empty() && dice.chance(3)) {
                world.end(world.lives.begin()->first);  // cancelled
            }
            world.step();
            if (HasFatalFailure()) {
                return;
            }
            // Each step computes a token at least of the first by rank, which nobody preempts.
            ASSERT_LT(step, 60 + work * 4) << "starved";
        }
        EXPECT_EQ(world.blocks().available(), block_count);
        preemptions += world.preemptions;
    }
    EXPECT_GT(preemptions, 100u);
}

// Two keys that always have requests waiting: what they have been charged, by weight, never differs by more than one
// request's prompt (charged at once) and the answers of those that run (charged as they come): arXiv:2401.00588,
// th. 4.4.
TEST(SchedulingProperty, BackloggedKeysGetTheirSharesWithinTheBound) {
    for (uint64_t seed = 0; seed < schedules(150); ++seed) {
        SCOPED_TRACE(seed);
        Dice dice(seed);
        constexpr uint32_t kRunning = 4, kPrompt = 40, kAnswer = 20;
        const double weight = dice.pick(1, 4);
        SchedulerLimits l = limits(dice.pick(8, 64), kRunning);
        l.share_weights = {{"heavy", weight}};
        World world(400, l, false);
        std::map<std::string, double> charged;
        const auto refill = [&](const std::string& key, uint32_t most) {
            const auto waits = std::ranges::count_if(
                world.lives, [&](const auto& e) { return e.second.key == key && !e.second.admitted; });
            for (auto i = waits; i < 3; ++i) {
                world.add(dice, key, 0, dice.pick(1, most), dice.pick(1, kAnswer));
            }
        };
        for (int step = 0; step < 400; ++step) {
            refill("heavy", kPrompt);
            refill("light", kPrompt / 4);
            world.step();
            if (HasFatalFailure()) {
                return;
            }
            double low = 1e300, high = 0;
            for (const auto& [id, life] : world.lives) {
                const double counter = world.scheduler().share_counter(id);
                low = std::min(low, counter);
                high = std::max(high, counter);
            }
            ASSERT_LE(high - low, 2 * (kPrompt + kRunning * kAnswer * kAnswerWeight)) << "step " << step;
        }
    }
}

// One key with a flood of requests does not delay another's first token by more than what is running already and one
// request of each key.
TEST(SchedulingProperty, AFloodDoesNotDelayOthers) {
    for (uint64_t seed = 0; seed < schedules(200); ++seed) {
        SCOPED_TRACE(seed);
        Dice dice(seed);
        World world(200, limits(32, 4), false);
        for (int i = 0; i < 100; ++i) {
            world.add(dice, "flood", 0, dice.pick(5, 20), dice.pick(5, 20));
        }
        const uint32_t before = dice.pick(1, 60);
        for (uint32_t i = 0; i < before; ++i) {
            world.step();
        }
        const SequenceId id = world.add(dice, "quiet", 0, 10, 5);
        const size_t admitted = world.order.size();
        while (world.lives.contains(id) && !HasFatalFailure()) {
            world.step();
        }
        const auto position = std::ranges::find(world.order, id) - world.order.begin();
        ASSERT_LE(position - static_cast<std::ptrdiff_t>(admitted), 1);
    }
}

// While there is no scarcity of blocks: a higher priority that waits is admitted before a lower one, unless the lower
// has waited for `ageing` x difference longer; and after that time it is never passed.
TEST(SchedulingProperty, PrioritiesAreKeptAndAge) {
    for (uint64_t seed = 0; seed < schedules(500); ++seed) {
        SCOPED_TRACE(seed);
        Dice dice(seed);
        const Duration ageing = milliseconds(dice.pick(50, 500));
        World world(200, limits(16, dice.pick(1, 3), ageing), false);
        for (int step = 0; step < 200; ++step) {
            if (dice.chance(25)) {
                world.add(dice, "one", static_cast<int32_t>(dice.pick(0, 4)), dice.pick(1, 12), dice.pick(1, 12));
            }
            if (!world.lives.empty()) {
                world.step();
            } else {
                world.now += milliseconds(10);
            }
            if (HasFatalFailure()) {
                return;
            }
        }
        world.ended.insert(world.lives.begin(), world.lives.end());
        for (const auto& [a, x] : world.ended) {
            for (const auto& [b, y] : world.ended) {
                if (a == b || !x.admitted_at || y.arrival > *x.admitted_at) {
                    continue;
                }
                const bool before = x.arrival - x.priority * ageing < y.arrival - y.priority * ageing;
                if (before && y.admitted_at && y.arrival <= *x.admitted_at && x.arrival <= *y.admitted_at) {
                    ASSERT_LE(x.admitted, y.admitted) << a << " and " << b;
                }
            }
        }
    }
}

}  // namespace
}  // namespace gantry::engine
