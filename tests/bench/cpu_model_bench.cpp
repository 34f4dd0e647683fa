/// Tokens per second of a plugin on a model of a published shape with constant weights, through the plugin's C entry
/// and nothing else: `cpu_model_bench PLUGIN.so SHAPE TYPE THREADS [PROMPT] [TOKENS]`. Prints wall and processor time.

#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <random>
#include <stdexcept>
#include <string>

#include "gantry/transformer/dequantize.hpp"
#include "tests/sdk/support/plugin.hpp"

namespace gantry::test {
namespace {

struct Shape {
    const char* architecture;
    int64_t hidden, layers, heads, kv_heads, head_dim, ffn, vocab;
};

const std::map<std::string, Shape> kShapes = {
    {"tiny", {"llama", 256, 2, 8, 4, 32, 512, 4096}},
    {"qwen2.5-0.5b", {"qwen2", 896, 24, 14, 2, 64, 4864, 151936}},
    {"llama-3.2-1b", {"llama", 2048, 16, 32, 8, 64, 8192, 128256}},
    {"qwen2.5-1.5b", {"qwen2", 1536, 28, 12, 2, 128, 8960, 151936}},
};

int32_t type_of(const std::string& name) {
    for (int32_t dtype = 0; dtype < 64; ++dtype) {
        if (transformer::type_traits(dtype).name == name) return dtype;
    }
    throw std::runtime_error("unknown type " + name);
}

void fill(TestTensor& t, std::mt19937_64& random) {
    const auto traits = transformer::type_traits(t.dtype);
    const uint16_t scale = transformer::f32_to_f16(0.001F);
    for (size_t i = 0; i + 8 <= t.data.size(); i += 8) {
        const uint64_t bits = random();
        std::memcpy(t.data.data() + i, &bits, 8);
    }
    for (size_t at = 0; at < t.data.size(); at += traits.block_bytes) {
        if (t.dtype == GANTRY_DTYPE_F32) {
            const float one = 1.0F;
            std::memcpy(t.data.data() + at, &one, 4);
        } else if (traits.block_elements == 1) {
            const uint16_t value = t.dtype == GANTRY_DTYPE_F16 ? scale : transformer::f32_to_bf16(0.001F);
            std::memcpy(t.data.data() + at, &value, 2);
        } else if (t.dtype == GANTRY_DTYPE_Q6_K) {
            std::memcpy(t.data.data() + at + 208, &scale, 2);
        } else {
            std::memcpy(t.data.data() + at, &scale, 2);
            std::memcpy(t.data.data() + at + 2, &scale, 2);
        }
    }
}

TestModel make_model(const Shape& s, int32_t dtype) {
    TestModel m;
    m.architecture = s.architecture;
    m.hyper = {{"vocab_size", s.vocab},
               {"hidden_size", s.hidden},
               {"layer_count", s.layers},
               {"head_count", s.heads},
               {"kv_head_count", s.kv_heads},
               {"head_dim", s.head_dim},
               {"ffn_size", s.ffn},
               {"norm_eps", 1e-5},
               {"context_length", int64_t{8192}},
               {"tie_embeddings", true},
               {"rope.theta", 1e6},
               {"rope.style", std::string("half")}};
    std::mt19937_64 random(1);
    const auto add = [&](const std::string& name, int32_t type, std::vector<uint64_t> shape) {
        TestTensor t{name, type, shape, {}};
        t.data.resize(transformer::row_bytes(type, shape.back()) * (shape.size() == 2 ? shape[0] : 1));
        fill(t, random);
        m.tensors.push_back(std::move(t));
    };
    const auto u = [](int64_t n) { return static_cast<uint64_t>(n); };
    const uint64_t hidden = u(s.hidden), q = u(s.heads * s.head_dim), kv = u(s.kv_heads * s.head_dim), ffn = u(s.ffn);
    add("token_embd.weight", dtype, {u(s.vocab), hidden});
    for (int64_t n = 0; n < s.layers; ++n) {
        const std::string layer = "layers." + std::to_string(n) + ".";
        add(layer + "attn_norm.weight", GANTRY_DTYPE_F32, {hidden});
        add(layer + "attn_q.weight", dtype, {q, hidden});
        add(layer + "attn_k.weight", dtype, {kv, hidden});
        add(layer + "attn_v.weight", dtype, {kv, hidden});
        if (m.architecture == "qwen2") {
            add(layer + "attn_q.bias", GANTRY_DTYPE_F32, {q});
            add(layer + "attn_k.bias", GANTRY_DTYPE_F32, {kv});
            add(layer + "attn_v.bias", GANTRY_DTYPE_F32, {kv});
        }
        add(layer + "attn_out.weight", dtype, {hidden, q});
        add(layer + "ffn_norm.weight", GANTRY_DTYPE_F32, {hidden});
        add(layer + "ffn_gate.weight", dtype, {ffn, hidden});
        add(layer + "ffn_up.weight", dtype, {ffn, hidden});
        add(layer + "ffn_down.weight", dtype, {hidden, ffn});
    }
    add("output_norm.weight", GANTRY_DTYPE_F32, {hidden});
    return m;
}

/// Wall and processor time since it was made.
class Watch {
  public:
    double wall() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
    double processor() const { return used() - used_; }

  private:
    static double used() {
        timespec now{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    }
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double used_ = used();
};

void report(const char* what, uint32_t tokens, const Watch& watch, uint32_t threads) {
    std::printf("%s %u tokens: %.1f tokens/s by wall, %.1f by processor time / %u threads\n", what, tokens,
                tokens / watch.wall(), tokens / (watch.processor() / threads), threads);
    std::fflush(stdout);
}

void bench(const std::string& library, const Shape& shape, int32_t dtype, uint32_t threads, uint32_t prompt,
           uint32_t tokens) {
    const TestModel data = make_model(shape, dtype);
    const Plugin plugin(library);
    LoadArgs args;
    args.block_size = 16;
    args.block_count = (prompt + tokens) / 16 + 2;
    args.max_step_tokens = 512;
    args.max_logit_rows = 1;
    args.options = {{"threads", std::to_string(threads)}};
    const Watch loading;
    const auto model = plugin.load(data, args);
    const gantry_model_info_t info = model->info();
    std::printf("%.*s; loaded in %.2f s\n", static_cast<int>(info.plan.size), info.plan.data, loading.wall());
    Part part;
    part.blocks = blocks_from(0, static_cast<uint32_t>(args.block_count));
    part.last_row_only = true;
    const Watch prefill;
    for (uint32_t done = 0; done < prompt; done += static_cast<uint32_t>(part.tokens.size())) {
        part.tokens.assign(std::min(512U, prompt - done), 7);
        part.context = done;
        run(*model, part);
    }
    report("prefill", prompt, prefill, threads);
    const Watch decode;
    for (uint32_t i = 0; i < tokens; ++i) {
        part.context = prompt + i;
        part.tokens = {static_cast<int32_t>(i % 1000)};
        run(*model, part);
    }
    report("decode ", tokens, decode, threads);
}

}  // namespace
}  // namespace gantry::test

int main(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "usage: %s PLUGIN.so SHAPE TYPE THREADS [PROMPT] [TOKENS]\n", argv[0]);
        return 2;
    }
    const auto number = [&](int i, uint32_t otherwise) {
        return argc > i ? static_cast<uint32_t>(std::stoul(argv[i])) : otherwise;
    };
    try {
        gantry::test::bench(argv[1], gantry::test::kShapes.at(argv[2]), gantry::test::type_of(argv[3]), number(4, 1),
                            number(5, 512), number(6, 64));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
