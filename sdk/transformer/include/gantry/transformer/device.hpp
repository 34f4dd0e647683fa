#pragma once

/// The small interface behind the transformer library: implement these operations and every architecture that the
/// library knows runs on your hardware.
///
/// Activations are fp32, row-major, in memory that the device allocated; a `Mat` is a borrowed view of it. The library
/// never dereferences device memory: it moves data with upload and download. All calls come from one thread per
/// model (the engine thread); operations may be queued, `sync` and `download` wait for them. Failures throw
/// gantry::sdk::Error (see <gantry/cpp/error.hpp>); the adapter turns it into the ABI's error.

#include <gantry/backend.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gantry::transformer {

/// rows x cols fp32, row-major, contiguous, device memory. Not owned.
struct Mat {
    float* data = nullptr;
    uint32_t rows = 0;
    uint32_t cols = 0;
};

/// Device memory for activations; freed on destruction.
class Buffer {
  public:
    virtual ~Buffer() = default;
    virtual float* data() = 0;
    virtual size_t size() const = 0;  ///< floats
};

/// What a weight is for; decides how the device stores it.
enum class WeightUse {
    kLinear,              ///< [out, in], the right side of a product
    kEmbedding,           ///< [vocab, dim], rows looked up by token id
    kEmbeddingAndLinear,  ///< tied: looked up and, as the output head, multiplied
    kVector,              ///< [dim] norm gains and biases, any type in the file, used as fp32
};

/// A weight as the device keeps it: in place in the mapped file, or repacked. Opaque to the library.
class Weight {
  public:
    virtual ~Weight() = default;
    virtual uint64_t rows() const = 0;  ///< out features (1 for vectors)
    virtual uint64_t cols() const = 0;  ///< in features
    /// Bytes of private memory; 0 where the mapped file is used in place.
    virtual uint64_t private_bytes() const = 0;
    /// Whether the mapped file is still read; a device that copied one form and uses another in place overrides it.
    virtual bool uses_mapping() const { return private_bytes() == 0; }
};

enum class KvType { kF32, kF16, kBf16, kQ8_0, kQ4_0 };

struct KvSpec {
    uint32_t layers = 0;
    uint32_t kv_heads = 0;
    uint32_t head_dim = 0;    ///< of K
    uint32_t v_head_dim = 0;  ///< of V; usually the same
    uint32_t block_size = 0;  ///< tokens
    uint64_t block_count = 0;
    KvType type = KvType::kF32;
};

/// Block KV memory of all layers. Slot = block * block_size + offset.
class KvCache {
  public:
    virtual ~KvCache() = default;
    virtual uint64_t bytes_per_block() const = 0;
    virtual void copy_slots(std::span<const uint32_t> src, std::span<const uint32_t> dst) = 0;
    virtual void copy_blocks(std::span<const uint32_t> src, std::span<const uint32_t> dst) = 0;
    virtual void read_blocks(std::span<const uint32_t> blocks, std::byte* host) = 0;
    virtual void write_blocks(std::span<const uint32_t> blocks, const std::byte* host) = 0;
};

/// One step's ragged batch, in host memory, valid during the step. T tokens, S sequences.
struct Step {
    std::span<const uint32_t> token_begin;  ///< [S+1]
    std::span<const uint32_t> context_len;  ///< [S] slots filled before the step
    std::span<const uint32_t> block_begin;  ///< [S+1]
    std::span<const uint32_t> block_ids;
    std::span<const uint32_t> positions;   ///< [T] rotary positions
    std::span<const uint32_t> slots;       ///< [T] physical slot that each new token's K and V go to
    std::span<const int32_t> tree_parent;  ///< [T] or empty: plain causal
    bool deterministic = false;
    size_t sequences() const { return context_len.size(); }
    size_t tokens() const { return positions.size(); }
};

/// One product that shares its input with others in the same `linear` call: out (+)= x * weight^T (+ bias).
struct LinearOut {
    const Weight* weight = nullptr;
    const Weight* bias = nullptr;  ///< kVector or nullptr
    Mat out;
    bool accumulate = false;  ///< add to what is in out (residual)
};

enum class RopeStyle {
    kHalf,         ///< pairs (i, i + n/2): GPT-NeoX, Hugging Face
    kInterleaved,  ///< pairs (2i, 2i+1): the original RoFormer, GGUF's llama
};

/// Rotary embedding (RoFormer, arXiv:2104.09864) with any published scaling already folded in by the library.
struct Rope {
    RopeStyle style = RopeStyle::kHalf;
    std::vector<float> inv_freq;  ///< one per rotated pair; 2 * size() <= head_dim are rotated, the rest pass
    float magnitude = 1.0F;       ///< multiplies cos and sin (YaRN's and LongRoPE's attention factor)
};

enum class Activation { kSilu, kGelu, kGeluTanh, kRelu, kReluSquared, kTanh };

struct AttentionParams {
    uint32_t layer = 0;
    uint32_t heads = 0;
    uint32_t kv_heads = 0;
    uint32_t head_dim = 0;
    float scale = 0;              ///< usually 1/sqrt(head_dim)
    uint32_t sliding_window = 0;  ///< 0: off; else a token sees itself and window-1 before it
    float logit_softcap = 0;      ///< 0: off
};

/// Attention of an encoder: within each sequence of a ragged batch, nothing cached.
struct SelfAttentionParams {
    uint32_t heads = 0;
    uint32_t kv_heads = 0;
    uint32_t head_dim = 0;
    float scale = 0;      ///< usually 1/sqrt(head_dim)
    uint32_t window = 0;  ///< 0: off; else a token sees this many to each side, and itself
    bool causal = false;  ///< nothing after itself
};

/// The steps that a device's own memory has to be enough for.
struct ScratchSpec {
    uint32_t max_tokens = 0;     ///< in a step
    uint32_t max_sequences = 0;  ///< in a step
    uint32_t max_context = 0;    ///< of a sequence, tokens
    uint32_t widest_input = 0;   ///< most columns of a product's input
    uint32_t heads = 0;          ///< query heads
    uint32_t head_dim = 0;
    uint32_t rotated_pairs = 0;
    uint32_t threads = 1;  ///< that the device will be loaded with
    uint32_t kv_heads = 0;
};

/// What is wanted to be known of rows of logits beside themselves, as in gantry_batch_t; host memory.
struct LogitSummary {
    float* peaks = nullptr;  ///< [rows, blocks]; nullptr: nothing is wanted
    float* masses = nullptr;
    const float* mass_scales = nullptr;  ///< [rows]
};

class Device {
  public:
    virtual ~Device() = default;

    // --- memory -------------------------------------------------------------------------------------------
    virtual std::unique_ptr<Buffer> allocate(size_t floats) = 0;
    virtual void upload(float* dst, const float* src, size_t floats) = 0;
    virtual void download(float* dst, const float* src, size_t floats) = 0;
    /// Downloads rows of logits and sums them up; this default does the second on the host.
    virtual void download_logits(float* dst, Mat logits, const LogitSummary& summary);
    virtual void sync() = 0;

    // --- weights ------------------------------------------------------------------------------------------
    /// Whether weights of this file type can be used that way.
    virtual bool supports(int32_t dtype, WeightUse use) const = 0;
    /// Private bytes that load_weight would allocate for it (`data` may be null); what assess adds up.
    virtual uint64_t weight_bytes(const gantry_tensor_view_t& view, WeightUse use) const = 0;
    /// What load_weight calls now and then on its own thread, at least once in 50 ms of work, so that a load can be
    /// stopped in the middle of a tensor: it throws then. Null after the load.
    void set_poll(std::function<void()> poll) { poll_ = std::move(poll); }
    /// The view's data outlives the weight. Called from the loading thread.
    virtual std::unique_ptr<Weight> load_weight(const gantry_tensor_view_t& view, WeightUse use) = 0;

    // --- KV -----------------------------------------------------------------------------------------------
    virtual bool supports(KvType type) const = 0;
    virtual uint64_t kv_bytes_per_block(const KvSpec& spec) const = 0;
    virtual std::unique_ptr<KvCache> create_kv(const KvSpec& spec) = 0;

    /// What the operations keep for themselves beside buffers, weights and KV, at most, for such steps; what assess
    /// adds to the activations.
    virtual uint64_t scratch_bytes(const ScratchSpec& spec) const {
        static_cast<void>(spec);
        return 0;
    }

    // --- steps ----------------------------------------------------------------------------------------------
    /// The same for steps that use self_attention instead of a KV cache.
    virtual uint64_t encoder_scratch_bytes(const ScratchSpec& spec) const {
        static_cast<void>(spec);
        return 0;
    }

    /// Called before the operations of each step. `step` lives until the next call.
    virtual void begin_step(const Step& step) { static_cast<void>(step); }
    /// Whether a step with Step::deterministic gives every sequence the same bits whatever its batch mates are.
    virtual bool can_be_deterministic() const { return false; }

    // --- operations; shapes in comments; no output may alias an input unless said -----------------------------
    /// out[T,D] = table[ids[T]]
    virtual void embed(const Weight& table, std::span<const int32_t> ids, Mat out) = 0;
    /// out = x / rms(x) * (gain + gain_offset), per row; x and out [R,D], may alias. Zhang & Sennrich,
    /// arXiv:1910.07467.
    virtual void rms_norm(Mat x, const Weight& gain, float eps, float gain_offset, Mat out) = 0;
    /// The same on every head of each row: x [T, heads*head_dim] seen as [T*heads, head_dim], in place.
    virtual void rms_norm_heads(Mat x, uint32_t head_dim, const Weight& gain, float eps, float gain_offset) = 0;
    /// x += delta, then out = rms_norm(x). One pass where the device can; this default makes two.
    virtual void add_rms_norm(Mat x, Mat delta, const Weight& gain, float eps, float gain_offset, Mat out) {
        add(x, delta);
        rms_norm(x, gain, eps, gain_offset, out);
    }
    /// out = (x - mean) / sqrt(var + eps) * gain + bias (bias may be null); may alias. Ba et al., arXiv:1607.06450.
    virtual void layer_norm(Mat x, const Weight& gain, const Weight* bias, float eps, Mat out) = 0;
    /// All products of one input x[T,K]; quantising or packing x is done once for all of them.
    virtual void linear(Mat x, std::span<const LinearOut> outs) = 0;
    /// out += x * a^T * b^T: what a low-rank adapter adds to a product. a [rank, K], b [N, rank]; scratch
    /// [x.rows, rank]. Two products; a device may make one kernel of them.
    virtual void add_low_rank(Mat x, const Weight& a, const Weight& b, Mat scratch, Mat out) {
        const LinearOut down{&a, nullptr, scratch, false};
        linear(x, {&down, 1});
        const LinearOut up{&b, nullptr, out, true};
        linear(scratch, {&up, 1});
    }
    /// Rotates x [T, heads*head_dim] in place at positions[T].
    virtual void rope(Mat x, uint32_t head_dim, const Rope& rope, std::span<const uint32_t> positions) = 0;
    /// Writes K [T, kv_heads*head_dim] and V [T, kv_heads*v_head_dim] of a layer to slots[T].
    virtual void store_kv(KvCache& kv, uint32_t layer, Mat k, Mat v, std::span<const uint32_t> slots) = 0;
    /// out[T, heads*v_head_dim] = softmax(q k^T * scale + mask) v over each sequence's own slots (grouped-query).
    /// Runs after store_kv of the layer. In a tree, a token's place for the sliding window is context_len + its depth.
    virtual void attention(KvCache& kv, const AttentionParams& params, const Step& step, Mat q, Mat out) = 0;
    /// out[T, heads*head_dim] = softmax(q k^T * scale) v over each sequence's own tokens, begin[s] .. begin[s+1]
    /// (grouped-query). k and v [T, kv_heads*head_dim].
    virtual void self_attention(const SelfAttentionParams& params, std::span<const uint32_t> begin, Mat q, Mat k, Mat v,
                                Mat out) = 0;
    /// out[s] = the mean of x's rows begin[s] .. begin[s+1], which are at least one.
    virtual void mean_rows(Mat x, std::span<const uint32_t> begin, Mat out) = 0;
    /// out = act(gate) * up; out may alias gate. Shazeer, arXiv:2002.05202.
    virtual void gated(Activation act, Mat gate, Mat up, Mat out) = 0;
    /// x = act(x)
    virtual void activate(Activation act, Mat x) = 0;
    /// x += y
    virtual void add(Mat x, Mat y) = 0;
    /// x *= factor
    virtual void scale(Mat x, float factor) = 0;
    /// x = cap * tanh(x / cap)
    virtual void softcap(Mat x, float cap) = 0;
    /// out[i] = x[rows[i]]
    virtual void gather_rows(Mat x, std::span<const uint32_t> rows, Mat out) = 0;

    /// out[rows[i]] += factors[i] * x[i]; the rows are distinct.
    virtual void add_scaled_rows(Mat x, std::span<const uint32_t> rows, std::span<const float> factors, Mat out) = 0;

    /// One line for people: kernels and threads ("avx512-vnni, oneDNN 2.6 bf16 prefill, 2 threads").
    virtual std::string plan() const = 0;

  protected:
    void poll() const {
        if (poll_) poll_();
    }

  private:
    std::function<void()> poll_;
};

/// What a plugin author writes beside a Device: who it is, what hardware there is, and how to make one.
class DeviceProvider {
  public:
    virtual ~DeviceProvider() = default;
    virtual std::string_view id() const = 0;
    virtual std::string_view version() const = 0;
    /// Preference among plugins that can run a model (gantry_assessment_t::score).
    virtual int32_t score() const = 0;
    virtual const std::vector<gantry_device_t>& devices() = 0;
    virtual std::string_view why_no_devices() const = 0;
    /// Option names that create() understands beyond the library's own ("kv_dtype").
    virtual std::vector<std::string_view> option_names() const = 0;
    /// KV type when the options do not say.
    virtual KvType default_kv_type() const = 0;
    /// `threads` is the host's budget. Options were checked against option_names.
    virtual std::unique_ptr<Device> create(uint32_t device_index, uint32_t threads,
                                           std::span<const gantry_option_t> options) = 0;
};

}  // namespace gantry::transformer
