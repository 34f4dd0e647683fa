#include "plugins/cpu/attention.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "tests/plugins/cpu/support.hpp"

namespace gantry::cpu::test {
namespace {

using transformer::AttentionParams;
using transformer::KvSpec;
using transformer::KvType;
using transformer::Step;

/// One sequence: tokens that are in the cache already, and new ones.
struct Sequence {
    uint32_t context;
    uint32_t added;
};

struct Setting {
    uint32_t heads = 4, kv_heads = 2, head_dim = 32, v_dim = 32, block_size = 16;
    KvType type = KvType::kF32;
    uint32_t window = 0;
    float softcap = 0;
    std::vector<int32_t> tree = {};  ///< parents of the first sequence's new tokens; the others are chains
};

/// A step over random K, V and q, with blocks in scrambled order, and its exact result.
class Scene {
  public:
    Scene(const Setting& setting, const std::vector<Sequence>& sequences, const Kernels& kernels)
        : s(setting), sequences_(sequences), kv_(spec(setting, sequences), kernels) {
        uint32_t next = 0;
        token_begin_ = {0};
        block_begin_ = {0};
        for (size_t i = 0; i < sequences.size(); ++i) {
            const uint32_t total = sequences[i].context + sequences[i].added;
            for (uint32_t b = 0; b * s.block_size < total; ++b) block_ids_.push_back((next++ * 7 + 3) % blocks_);
            for (uint32_t t = 0; t < total; ++t) add_token(i, t);
            for (uint32_t t = 0; t < sequences[i].added; ++t) {
                positions_.push_back(sequences[i].context + t);
                if (!s.tree.empty()) parents_.push_back(i == 0 ? s.tree[t] : static_cast<int32_t>(t) - 1);
            }
            token_begin_.push_back(token_begin_.back() + sequences[i].added);
            block_begin_.push_back(static_cast<uint32_t>(block_ids_.size()));
            context_.push_back(sequences[i].context);
        }
        q_ = random_floats(static_cast<size_t>(token_begin_.back()) * s.heads * s.head_dim, 99);
    }

    /// Takes the queries from a later place of the same random numbers.
    void set_queries(size_t skip) {
        const auto all = random_floats(skip + q_.size(), 99);
        for (size_t i = 0; i < q_.size(); ++i) q_[i] = all[skip + i];
    }

    std::vector<float> run(ThreadPool& pool, const Kernels& kernels) {
        Attention attention(kernels, pool);
        std::vector<float> out(static_cast<size_t>(token_begin_.back()) * s.heads * s.v_dim);
        Step step;
        step.token_begin = token_begin_;
        step.context_len = context_;
        step.block_begin = block_begin_;
        step.block_ids = block_ids_;
        step.positions = positions_;
        step.tree_parent = parents_;
        AttentionParams p{1, s.heads, s.kv_heads, s.head_dim, 0.2F, s.window, s.softcap};
        const uint32_t tokens = token_begin_.back();
        attention.run(kv_, p, step, {q_.data(), tokens, s.heads * s.head_dim}, {out.data(), tokens, s.heads * s.v_dim});
        return out;
    }

    std::vector<float> expected() const {
        std::vector<float> out;
        for (size_t i = 0; i < sequences_.size(); ++i) {
            for (uint32_t t = 0; t < sequences_[i].added; ++t) {
                for (uint32_t h = 0; h < s.heads; ++h) add_expected(i, t, h, out);
            }
        }
        return out;
    }

    static uint32_t block_count(const Setting& s, const std::vector<Sequence>& sequences) {
        uint32_t n = 0;
        for (const Sequence& q : sequences) n += (q.context + q.added + s.block_size - 1) / s.block_size;
        while (n % 7 == 0 || n == 0) ++n;  // so that multiples of 7 visit all
        return n;
    }

  private:
    KvSpec spec(const Setting& setting, const std::vector<Sequence>& sequences) {
        blocks_ = block_count(setting, sequences);
        return {2, setting.kv_heads, setting.head_dim, setting.v_dim, setting.block_size, blocks_, setting.type};
    }
    /// K of a token, [kv_heads][head_dim], and V: the same for everyone who asks.
    const std::vector<float>& key(size_t sequence, uint32_t token) const {
        return made(keys_, s.head_dim, sequence * 100000 + token);
    }
    const std::vector<float>& value(size_t sequence, uint32_t token) const {
        return made(values_, s.v_dim, sequence * 100000 + token + 5000000);
    }
    const std::vector<float>& made(std::map<size_t, std::vector<float>>& all, uint32_t width, size_t seed) const {
        const auto found = all.find(seed);
        if (found != all.end()) return found->second;
        return all[seed] =
                   rounded(width, random_floats(static_cast<size_t>(width) * s.kv_heads, static_cast<uint32_t>(seed)));
    }
    /// Each head's values as the memory keeps them.
    std::vector<float> rounded(uint32_t width, std::vector<float> v) const {
        std::vector<std::byte> row(transformer::kv_row_bytes(s.type, width));
        for (size_t head = 0; head < v.size(); head += width) {
            transformer::encode_kv_row(s.type, v.data() + head, width, row.data());
            transformer::decode_kv_row(s.type, row.data(), width, v.data() + head);
        }
        return v;
    }
    void add_token(size_t sequence, uint32_t token) {
        const uint32_t slot =
            block_ids_[block_begin_[sequence] + token / s.block_size] * s.block_size + token % s.block_size;
        for (uint32_t head = 0; head < s.kv_heads; ++head) {
            kv_.store(1, head, slot, key(sequence, token).data() + head * s.head_dim,
                      value(sequence, token).data() + head * s.v_dim);
        }
    }
    /// The tokens that a new token sees.
    std::vector<uint32_t> visible(size_t sequence, uint32_t token) const {
        const uint32_t context = sequences_[sequence].context;
        std::vector<uint32_t> path;  // new tokens from this one up
        if (s.tree.empty()) {
            for (uint32_t t = 0; t <= token; ++t) path.push_back(token - t);
        } else {
            const int32_t* parents = parents_.data() + token_begin_[sequence];
            for (auto t = static_cast<int32_t>(token); t >= 0; t = parents[t]) path.push_back(static_cast<uint32_t>(t));
        }
        std::vector<uint32_t> seen;
        for (const uint32_t t : path) seen.push_back(context + t);
        for (uint32_t t = context; t-- > 0;) seen.push_back(t);
        if (s.window != 0 && seen.size() > s.window) seen.resize(s.window);
        return seen;
    }
    void add_expected(size_t sequence, uint32_t token, uint32_t head, std::vector<float>& out) const {
        const uint32_t kv_head = head / (s.heads / s.kv_heads);
        const float* q =
            q_.data() + (static_cast<size_t>(token_begin_[sequence] + token) * s.heads + head) * s.head_dim;
        std::vector<double> sum(s.v_dim, 0.0);
        double total = 0;
        for (const uint32_t t : visible(sequence, token)) {
            const float* k = key(sequence, t).data() + kv_head * s.head_dim;
            double score = 0;
            for (uint32_t d = 0; d < s.head_dim; ++d) score += double{q[d]} * double{k[d]} * 0.2;
            if (s.softcap > 0) score = double{s.softcap} * std::tanh(score / double{s.softcap});
            const double weight = std::exp(score);
            total += weight;
            const float* v = value(sequence, t).data() + kv_head * s.v_dim;
            for (uint32_t d = 0; d < s.v_dim; ++d) sum[d] += weight * double{v[d]};
        }
        for (const double x : sum) out.push_back(static_cast<float>(x / total));
    }

    Setting s;
    std::vector<Sequence> sequences_;
    uint32_t blocks_ = 0;
    CpuKvCache kv_;
    std::vector<uint32_t> token_begin_, block_begin_, block_ids_, context_, positions_;
    std::vector<int32_t> parents_;
    std::vector<float> q_;
    mutable std::map<size_t, std::vector<float>> keys_, values_;
};

void expect_near(const std::vector<float>& got, const std::vector<float>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 5e-6) << i;
}

void check(const Setting& setting, const std::vector<Sequence>& sequences) {
    ThreadPool pool(2);
    for (const Kernels* kernels : runnable_kernels()) {
        SCOPED_TRACE(kernels->name);
        Scene scene(setting, sequences, *kernels);
        expect_near(scene.run(pool, *kernels), scene.expected());
    }
}

TEST(AttentionTest, MatchesTheDefinitionInAnyShape) {
    const std::vector<Sequence> mixed = {{0, 1}, {5, 1}, {0, 37}, {130, 1}, {33, 20}, {300, 3}};
    check({}, mixed);
    check({.heads = 8, .kv_heads = 8, .head_dim = 64, .v_dim = 64}, mixed);
    check({.heads = 7, .kv_heads = 1, .head_dim = 20, .v_dim = 12}, mixed);
    check({.heads = 12, .kv_heads = 4, .head_dim = 128, .v_dim = 80}, mixed);
}

TEST(AttentionTest, MatchesTheDefinitionWithAnyBlockSize) {
    const std::vector<Sequence> mixed = {{0, 19}, {40, 1}, {150, 2}};
    for (const uint32_t block_size : {1U, 5U, 8U, 24U, 32U, 64U}) check({.block_size = block_size}, mixed);
}

TEST(AttentionTest, HalfPrecisionMemoryIsReadExactly) {
    check({.type = KvType::kF16}, {{70, 1}, {0, 40}});
    check({.type = KvType::kBf16}, {{70, 1}, {0, 40}});
}

TEST(AttentionTest, QuantisedMemoryIsReadExactly) {
    for (const KvType type : {KvType::kQ8_0, KvType::kQ4_0}) {
        check({.type = type}, {{70, 1}, {0, 40}, {300, 3}});
        check({.heads = 7, .kv_heads = 1, .head_dim = 20, .v_dim = 12, .type = type}, {{140, 1}, {0, 9}});
        check({.heads = 4, .kv_heads = 2, .head_dim = 80, .v_dim = 80, .block_size = 24, .type = type}, {{1500, 1}});
        check({.type = type, .window = 33}, {{190, 30}});
    }
}

TEST(AttentionTest, WindowAndSoftcap) {
    for (const uint32_t window : {1U, 7U, 16U, 100U, 200U}) check({.window = window}, {{0, 50}, {250, 1}, {190, 30}});
    check({.softcap = 1.5F}, {{60, 1}, {0, 20}});
    check({.window = 20, .softcap = 3.0F}, {{60, 1}, {0, 40}});
}

TEST(AttentionTest, TreesSeeTheirAncestorsOnly) {
    const std::vector<int32_t> tree = {-1, 0, 0, 1, 1, 2, -1, 6};
    check({.tree = tree}, {{41, 8}, {3, 5}});
    check({.window = 3, .tree = tree}, {{41, 8}, {0, 5}});
    check({.window = 12, .tree = tree}, {{41, 8}});
}

TEST(AttentionTest, LongContextsAreDividedAndMerged) {
    check({.heads = 2, .kv_heads = 1, .head_dim = 16, .v_dim = 16}, {{2500, 1}, {1030, 4}});
    check({.heads = 2, .kv_heads = 1, .head_dim = 16, .v_dim = 16, .window = 1500}, {{2500, 1}});
    check({.heads = 2, .kv_heads = 1, .head_dim = 16, .v_dim = 16, .block_size = 10}, {{1500, 1}});
}

TEST(AttentionTest, ResultsDependOnNeitherBatchMatesNorThreads) {
    const Kernels& kernels = select_kernels("", detect_features());
    ThreadPool one(1), three(3);
    const Setting setting{.type = KvType::kF16};
    Scene alone(setting, {{1300, 1}}, kernels);
    const auto expected = alone.run(one, kernels);
    EXPECT_EQ(alone.run(three, kernels), expected);
}

TEST(AttentionTest, ChunkedPrefillGivesTheSameBits) {
    const Kernels& kernels = select_kernels("", detect_features());
    ThreadPool pool(2);
    const Setting setting{};
    const size_t width = 4 * 32;
    const auto whole = Scene(setting, {{0, 200}}, kernels).run(pool, kernels);
    // The last 56 tokens in a step of their own see the same K and V; their queries come from the same stream.
    Scene late(setting, {{144, 56}}, kernels);
    late.set_queries(144 * width);
    EXPECT_EQ(late.run(pool, kernels), std::vector<float>(whole.begin() + 144 * static_cast<long>(width), whole.end()));
}

}  // namespace
}  // namespace gantry::cpu::test
