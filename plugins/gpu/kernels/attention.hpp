#pragma once

/// The KV cache and attention. A cache is [block][layer][K or V][offset][kv_head] rows of one head each.

#include "plugins/gpu/kernels/rows.hpp"

namespace gantry::gpu {

/// Where the rows of a block KV cache lie; bytes.
struct KvLayout {
    Format format = Format::kF32;
    uint32_t block_size = 0;
    uint32_t kv_heads = 0;
    uint32_t head_dim = 0;
    uint32_t v_head_dim = 0;
    uint32_t layers = 0;

    GANTRY_GPU uint64_t key_row() const { return format_row_bytes(format, head_dim); }
    GANTRY_GPU uint64_t value_row() const { return format_row_bytes(format, v_head_dim); }
    GANTRY_GPU uint64_t layer_bytes() const { return uint64_t{block_size} * kv_heads * (key_row() + value_row()); }
    GANTRY_GPU uint64_t block_bytes() const { return layers * layer_bytes(); }
    GANTRY_GPU uint64_t key_at(uint32_t layer, uint32_t slot, uint32_t head) const {
        return slot / block_size * block_bytes() + layer * layer_bytes() +
               (uint64_t{slot % block_size} * kv_heads + head) * key_row();
    }
    GANTRY_GPU uint64_t value_at(uint32_t layer, uint32_t slot, uint32_t head) const {
        return slot / block_size * block_bytes() + layer * layer_bytes() + uint64_t{block_size} * kv_heads * key_row() +
               (uint64_t{slot % block_size} * kv_heads + head) * value_row();
    }
};

/// Writes keys or values of T tokens; a thread up to 32 values of one head. Quantised as encode_kv_row of
/// <gantry/transformer/kv_types.hpp>.
struct StoreKv {
    static constexpr bool kCooperative = false;
    KvLayout layout;
    uint32_t layer = 0;
    bool values = false;
    Bytes cache;
    Global<float> from;  ///< [T, kv_heads * dim]
    Global<uint32_t> slots;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint32_t dim = values ? layout.v_head_dim : layout.head_dim;
        const uint32_t pieces = (dim + 31) / 32;
        const uint64_t i = global_index(t);
        if (i >= slots.size * layout.kv_heads * pieces) return;
        const auto piece = static_cast<uint32_t>(i % pieces);
        const auto head = static_cast<uint32_t>(i / pieces % layout.kv_heads);
        const uint32_t slot = slots.get(t, i / pieces / layout.kv_heads);
        const uint64_t to = values ? layout.value_at(layer, slot, head) : layout.key_at(layer, slot, head);
        const uint64_t first = i / pieces * dim + piece * 32;
        const uint32_t count = dim - piece * 32 < 32 ? dim - piece * 32 : 32;
        if (layout.format == Format::kQ8_0 || layout.format == Format::kQ4_0) {
            quantise(t, first, count, to + uint64_t{piece} * format_row_bytes(layout.format, 32));
            return;
        }
        for (uint32_t j = 0; j < count; ++j) {
            const float value = from.get(t, first + j);
            const uint64_t at = piece * 32 + j;
            if (layout.format == Format::kF32) {
                store_as<float>(t, cache, to + at * 4, value);
            } else {
                store_as<uint16_t>(t, cache, to + at * 2,
                                   layout.format == Format::kF16 ? float_to_half(value) : float_to_bf16(value));
            }
        }
    }

  private:
    template <class Thread>
    GANTRY_GPU void quantise(Thread& t, uint64_t first, uint32_t count, uint64_t to) const {
        const bool wide = layout.format == Format::kQ8_0;
        float extreme = 0;
        for (uint32_t j = 0; j < count; ++j) {
            const float value = from.get(t, first + j);
            if (fabsf(value) > fabsf(extreme)) extreme = value;
        }
        const float scale = wide ? fabsf(extreme) / 127.0F : extreme / -8.0F;
        const float inverse = scale == 0 ? 0 : 1 / scale;
        const float lowest = wide ? -127.0F : -8.0F;
        const float highest = wide ? 127.0F : 7.0F;
        int q[32];
        for (uint32_t j = 0; j < 32; ++j) {
            const float value = j < count ? rintf(from.get(t, first + j) * inverse) : 0.0F;
            q[j] = static_cast<int>(fminf(fmaxf(value, lowest), highest));
        }
        store_as<uint16_t>(t, cache, to, float_to_half(scale));
        if (wide) {
            for (uint32_t j = 0; j < 32; ++j) store_as<uint8_t>(t, cache, to + 2 + j, static_cast<uint8_t>(q[j]));
        } else {
            for (uint32_t j = 0; j < 16; ++j) {
                store_as<uint8_t>(t, cache, to + 2 + j, static_cast<uint8_t>((q[j] + 8) | (q[j + 16] + 8) << 4));
            }
        }
    }
};

/// The keys that a token sees in a block KV cache. Step tables as in transformer::Step.
struct PagedKeys {
    KvLayout layout;
    uint32_t layer = 0;
    uint32_t window = 0;
    bool tree = false;
    Bytes cache;
    Global<uint32_t> sequence;  ///< of each token
    Global<uint32_t> token_begin, context_len, block_begin, block_ids;
    Global<int32_t> parents;

    struct Place {
        uint32_t token, base, context, blocks, first, begin, end;
    };
    template <class Thread>
    GANTRY_GPU Place place(Thread& t, uint32_t token) const {
        const uint32_t s = sequence.get(t, token);
        Place p{};
        p.base = token_begin.get(t, s);
        p.token = token - p.base;
        p.context = context_len.get(t, s);
        p.blocks = block_begin.get(t, s);
        uint32_t depth = p.token;
        if (tree) {
            depth = 0;
            for (int32_t a = parents.get(t, token); a >= 0; a = parents.get(t, p.base + static_cast<uint32_t>(a))) {
                ++depth;
            }
        }
        const uint32_t at = p.context + depth;
        p.first = window != 0 && at + 1 > window ? at + 1 - window : 0;
        p.begin = tree && p.first > p.context ? p.context : p.first;
        p.end = p.context + p.token + 1;
        return p;
    }
    template <class Thread>
    GANTRY_GPU bool visible(Thread& t, const Place& p, uint32_t i) const {
        if (!tree || i < p.context) return i >= p.first;
        // An ancestor's place in its branch is its depth; a window may end above it.
        auto ancestor = static_cast<int32_t>(p.token);
        while (ancestor > static_cast<int32_t>(i - p.context)) {
            ancestor = parents.get(t, p.base + static_cast<uint32_t>(ancestor));
        }
        if (ancestor != static_cast<int32_t>(i - p.context)) return false;
        uint32_t depth = 0;
        for (int32_t a = parents.get(t, p.base + i - p.context); a >= 0;
             a = parents.get(t, p.base + static_cast<uint32_t>(a))) {
            ++depth;
        }
        return p.context + depth >= p.first;
    }
    template <class Thread>
    GANTRY_GPU uint64_t key(Thread& t, const Place& p, uint32_t i, uint32_t head) const {
        return layout.key_at(layer, slot(t, p, i), head);
    }
    template <class Thread>
    GANTRY_GPU uint64_t value(Thread& t, const Place& p, uint32_t i, uint32_t head) const {
        return layout.value_at(layer, slot(t, p, i), head);
    }
    GANTRY_GPU Format format() const { return layout.format; }
    GANTRY_GPU Bytes keys() const { return cache; }
    GANTRY_GPU Bytes values() const { return cache; }

  private:
    template <class Thread>
    GANTRY_GPU uint32_t slot(Thread& t, const Place& p, uint32_t i) const {
        return block_ids.get(t, p.blocks + i / layout.block_size) * layout.block_size + i % layout.block_size;
    }
};

/// The keys that a token sees within its own sequence of a ragged batch, nothing cached.
struct DenseKeys {
    uint32_t kv_heads = 0;
    uint32_t head_dim = 0;
    uint32_t window = 0;
    bool causal = false;
    Bytes k, v;
    Global<uint32_t> sequence, token_begin;

    struct Place {
        uint32_t begin, end;
    };
    template <class Thread>
    GANTRY_GPU Place place(Thread& t, uint32_t token) const {
        const uint32_t s = sequence.get(t, token);
        Place p{token_begin.get(t, s), token_begin.get(t, s + 1)};
        if (window != 0) {
            if (token - p.begin > window) p.begin = token - window;
            if (p.end - token > window) p.end = token + window + 1;
        }
        if (causal) p.end = token + 1;
        return p;
    }
    template <class Thread>
    GANTRY_GPU bool visible(Thread&, const Place&, uint32_t) const {
        return true;
    }
    template <class Thread>
    GANTRY_GPU uint64_t key(Thread&, const Place&, uint32_t i, uint32_t head) const {
        return (uint64_t{i} * kv_heads + head) * head_dim * sizeof(float);
    }
    template <class Thread>
    GANTRY_GPU uint64_t value(Thread& t, const Place& p, uint32_t i, uint32_t head) const {
        return key(t, p, i, head);
    }
    GANTRY_GPU Format format() const { return Format::kF32; }
    GANTRY_GPU Bytes keys() const { return k; }
    GANTRY_GPU Bytes values() const { return v; }
};

/// out = softmax(q k^T * scale) v: one warp a (token, head), the softmax kept as running maximum and sum
/// (FlashAttention, arXiv:2205.14135), a lane a key and then a lane a value column. Shared: q, the weighted sum, one
/// weight a lane.
template <class Keys>
struct Attention {
    static constexpr bool kCooperative = true;
    uint32_t heads = 0;
    uint32_t kv_heads = 0;
    uint32_t head_dim = 0;
    uint32_t v_dim = 0;
    float scale = 0;
    float softcap = 0;
    Keys keys;
    Global<float> q, out;

    template <class Thread>
    GANTRY_GPU void operator()(Thread& t) const {
        const uint32_t head = t.block_y();
        const uint32_t kv_head = head / (heads / kv_heads);
        const uint64_t query = (uint64_t{t.block_x()} * heads + head) * head_dim;
        const uint32_t sums = head_dim;
        const uint32_t weights = head_dim + v_dim;
        const auto place = keys.place(t, t.block_x());
        for (uint32_t d = t.index(); d < head_dim; d += t.count()) t.shared_store(d, q.get(t, query + d));
        for (uint32_t d = t.index(); d < v_dim; d += t.count()) t.shared_store(sums + d, 0);
        t.barrier();
        float highest = -INFINITY;
        float total = 0;
        for (uint32_t begin = place.begin; begin < place.end; begin += t.count()) {
            const uint32_t i = begin + t.index();
            float score = -INFINITY;
            if (i < place.end && keys.visible(t, place, i)) score = product(t, keys.key(t, place, i, kv_head));
            const float above = fmaxf(highest, t.warp_max(score));
            if (above == -INFINITY) continue;  // nothing seen yet: the same in all lanes
            const float fade = highest == -INFINITY ? 0.0F : expf(highest - above);
            const float weight = score == -INFINITY ? 0.0F : expf(score - above);
            total = total * fade + t.warp_sum(weight);
            highest = above;
            t.shared_store(weights + t.index(), weight);
            t.barrier();
            const uint32_t count = place.end - begin < t.count() ? place.end - begin : t.count();
            for (uint32_t d = t.index(); d < v_dim; d += t.count()) {
                float sum = t.shared_load(sums + d) * fade;
                for (uint32_t j = 0; j < count; ++j) {
                    const float w = t.shared_load(weights + j);
                    if (w == 0) continue;
                    sum += w * decode(t, keys.format(), keys.values(), keys.value(t, place, begin + j, kv_head), d);
                }
                t.shared_store(sums + d, sum);
            }
            t.barrier();
        }
        const uint64_t to = (uint64_t{t.block_x()} * heads + head) * v_dim;
        for (uint32_t d = t.index(); d < v_dim; d += t.count()) out.set(t, to + d, t.shared_load(sums + d) / total);
    }

  private:
    template <class Thread>
    GANTRY_GPU float product(Thread& t, uint64_t key) const {
        float sum = 0;
        for (uint32_t d = 0; d < head_dim; ++d) {
            sum += t.shared_load(d) * decode(t, keys.format(), keys.keys(), key, d);
        }
        sum *= scale;
        return softcap == 0 ? sum : softcap * tanhf(sum / softcap);
    }
};

}  // namespace gantry::gpu
