#include "tests/sdk/support/random_model.hpp"

#include <cmath>
#include <cstring>
#include <gantry/transformer/dequantize.hpp>
#include <random>

namespace gantry::test {
namespace {

using transformer::f32_to_bf16;
using transformer::f32_to_f16;

constexpr uint64_t kHidden = 256, kFfn = 512, kHeads = 4, kKvHeads = 2, kHeadDim = 64, kVocab = 128, kLayers = 2;

class Random {
  public:
    explicit Random(uint32_t seed) : engine_(seed) {}
    float normal() { return normal_(engine_); }
    char byte() { return static_cast<char>(engine_() & 0xffU); }

  private:
    std::mt19937 engine_;
    std::normal_distribution<float> normal_;
};

void put_f16(char* at, float value) {
    const uint16_t h = f32_to_f16(value);
    std::memcpy(at, &h, 2);
}

/// Random bytes with scales such that the block's weights have about the standard deviation `std` and mean 0.
void scale_block(int32_t dtype, char* b, float std, float jitter) {
    const float s = std * (1 + 0.3F * jitter);
    switch (dtype) {
        case GANTRY_DTYPE_Q8_0:
            put_f16(b, s / 74);
            break;
        case GANTRY_DTYPE_Q4_0:
            put_f16(b, s / 4.6F);
            break;
        case GANTRY_DTYPE_Q4_1:
            put_f16(b, s / 4.6F);
            put_f16(b + 2, -7.5F * s / 4.6F);
            break;
        case GANTRY_DTYPE_Q5_0:
            put_f16(b, s / 9.2F);
            break;
        case GANTRY_DTYPE_Q5_1:
            put_f16(b, s / 9.2F);
            put_f16(b + 2, -15.5F * s / 9.2F);
            break;
        case GANTRY_DTYPE_Q4_K:
        case GANTRY_DTYPE_Q5_K: {
            // The minimum is about the middle of the range: equal six-bit scales and minima, in all their bits.
            const float levels = dtype == GANTRY_DTYPE_Q4_K ? 16 : 32;
            const float d = s / (36 * levels * 0.29F);
            put_f16(b, d);
            put_f16(b + 2, d * (levels - 1) / 2);
            char* scales = b + 4;
            for (int i = 0; i < 4; ++i) {
                scales[4 + i] = scales[i];
                const auto low = static_cast<unsigned char>(scales[8 + i] & 0x0f);
                scales[8 + i] = static_cast<char>(low | low << 4);
            }
            break;
        }
        case GANTRY_DTYPE_Q6_K:
            put_f16(b + 208, s / (18.5F * 74));
            break;
        case GANTRY_DTYPE_Q2_K:
            // Equal scales and minima; the numbers 0 .. 3 have their middle at 1.5.
            put_f16(b + 80, s / (8.8F * 1.12F));
            put_f16(b + 82, 1.5F * s / (8.8F * 1.12F));
            for (int i = 0; i < 16; ++i) b[i] = static_cast<char>((b[i] & 15) * 17);
            break;
        case GANTRY_DTYPE_Q3_K:
            put_f16(b + 108, s / (18.5F * 2.3F));
            break;
        case GANTRY_DTYPE_IQ4_NL:
            put_f16(b, s / 69);
            break;
        case GANTRY_DTYPE_IQ4_XS:
            put_f16(b, s / (18.5F * 69));
            break;
        case GANTRY_DTYPE_IQ2_XXS:
            put_f16(b, s / 60);
            break;
        case GANTRY_DTYPE_IQ3_XXS:
        case GANTRY_DTYPE_IQ3_S:
            put_f16(b, s / 150);
            break;
        case GANTRY_DTYPE_MXFP4:
            b[0] = static_cast<char>(127 + static_cast<int>(std::floor(std::log2(s / 2.9F))));
            break;
        default:
            break;
    }
}

std::vector<char> random_data(int32_t dtype, uint64_t count, float std, float mean, Random& random) {
    const auto traits = transformer::type_traits(dtype);
    std::vector<char> data(transformer::row_bytes(dtype, count));
    for (uint64_t i = 0; i < count / traits.block_elements; ++i) {
        char* b = data.data() + i * traits.block_bytes;
        if (traits.block_elements == 1) {
            const float value = mean + std * random.normal();
            const uint16_t half = dtype == GANTRY_DTYPE_F16 ? f32_to_f16(value) : f32_to_bf16(value);
            std::memcpy(b, dtype == GANTRY_DTYPE_F32 ? static_cast<const void*>(&value) : &half, traits.block_bytes);
        } else {
            for (uint32_t k = 0; k < traits.block_bytes; ++k) b[k] = random.byte();
            scale_block(dtype, b, std, random.normal() * 0.3F);
        }
    }
    return data;
}

}  // namespace

TestModel random_model(int32_t dtype, uint32_t seed, bool tied) {
    Random random(seed);
    TestModel m;
    m.architecture = "llama";
    m.hyper = {{"vocab_size", int64_t{kVocab}},
               {"hidden_size", int64_t{kHidden}},
               {"layer_count", int64_t{kLayers}},
               {"head_count", int64_t{kHeads}},
               {"kv_head_count", int64_t{kKvHeads}},
               {"head_dim", int64_t{kHeadDim}},
               {"ffn_size", int64_t{kFfn}},
               {"norm_eps", 1e-5},
               {"context_length", int64_t{512}},
               {"tie_embeddings", tied},
               {"rope.theta", 10000.0}};
    const auto linear = [&](const std::string& name, uint64_t out, uint64_t in, float gain = 1) {
        const float std = gain / std::sqrt(static_cast<float>(in));
        m.tensors.push_back({name, dtype, {out, in}, random_data(dtype, out * in, std, 0, random)});
    };
    const auto norm = [&](const std::string& name) {
        m.tensors.push_back(
            {name, GANTRY_DTYPE_F32, {kHidden}, random_data(GANTRY_DTYPE_F32, kHidden, 0.1F, 1, random)});
    };
    m.tensors.push_back(
        {"token_embd.weight", dtype, {kVocab, kHidden}, random_data(dtype, kVocab * kHidden, 0.3F, 0, random)});
    for (uint64_t n = 0; n < kLayers; ++n) {
        const std::string layer = "layers." + std::to_string(n) + ".";
        norm(layer + "attn_norm.weight");
        linear(layer + "attn_q.weight", kHeads * kHeadDim, kHidden);
        linear(layer + "attn_k.weight", kKvHeads * kHeadDim, kHidden);
        linear(layer + "attn_v.weight", kKvHeads * kHeadDim, kHidden);
        linear(layer + "attn_out.weight", kHidden, kHeads * kHeadDim);
        norm(layer + "ffn_norm.weight");
        linear(layer + "ffn_gate.weight", kFfn, kHidden);
        linear(layer + "ffn_up.weight", kFfn, kHidden);
        linear(layer + "ffn_down.weight", kHidden, kFfn);
    }
    norm("output_norm.weight");
    if (!tied) linear("output.weight", kVocab, kHidden, 3);
    return m;
}

}  // namespace gantry::test
