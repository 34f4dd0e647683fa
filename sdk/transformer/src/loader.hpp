#pragma once

// Loading the tensors of a plan, one after the other.

#include <gantry/transformer/weights.hpp>

#include <cstring>
#include <utility>

namespace gantry::transformer {

// FNV-1a over 8 bytes at a time: not against malice, only to tell one model's weights from another's.
class Fingerprint {
  public:
    void add(const void* data, uint64_t bytes) {
        const auto* p = static_cast<const unsigned char*>(data);
        for (; bytes >= 8; bytes -= 8, p += 8) {
            uint64_t word = 0;
            std::memcpy(&word, p, 8);
            mix(word);
        }
        for (; bytes > 0; --bytes, ++p) mix(*p);
    }

    void add(const PlannedTensor& t, const void* data) {
        add(t.name.data(), t.name.size());
        add(&t.view.dtype, sizeof t.view.dtype);
        add(t.view.shape, sizeof t.view.shape);
        // Small tensors whole, large ones at evenly spread windows: two models of one shape differ nearly everywhere,
        // and reading all of a mapped file would cost more than loading it.
        constexpr uint64_t kWindow = 4096;
        constexpr uint64_t kWindows = 16;
        if (t.view.nbytes <= kWindow * kWindows) return add(data, t.view.nbytes);
        const uint64_t step = (t.view.nbytes - kWindow) / (kWindows - 1);
        for (uint64_t i = 0; i < kWindows; ++i) add(static_cast<const char*>(data) + i * step, kWindow);
    }

    uint64_t value() const { return hash_; }

  private:
    void mix(uint64_t word) {
        hash_ = (hash_ ^ word) * 0x100000001b3ULL;
        hash_ ^= hash_ >> 32;
    }
    uint64_t hash_ = 0xcbf29ce484222325ULL;
};

/// Has a device poll as long as this lives.
class Polling {
  public:
    Polling(Device& device, std::function<void()> poll) : device_(device) { device_.set_poll(std::move(poll)); }
    Polling(const Polling&) = delete;
    Polling& operator=(const Polling&) = delete;
    ~Polling() { device_.set_poll(nullptr); }

  private:
    Device& device_;
};

/// Hands out the plan's tensors one after the other.
class Loader {
  public:
    Loader(const sdk::Manifest& manifest, std::span<const PlannedTensor> plan, Device& device,
           const LoadProgress& progress)
        : manifest_(manifest), plan_(plan), device_(device), progress_(progress) {
        for (const PlannedTensor& t : plan) total_ += t.view.nbytes;
    }

    std::unique_ptr<Weight> next() {
        if (next_ == plan_.size()) throw sdk::Error(GANTRY_ERR_INTERNAL, "the tensor plan is shorter than the model");
        const PlannedTensor& t = plan_[next_++];
        progress_(done_, total_);
        const gantry_tensor_view_t view = manifest_.tensor(t.index);
        if (view.data == nullptr) {
            throw sdk::Error(GANTRY_ERR_FAILED_PRECONDITION, "tensor '" + t.name + "' is not mapped",
                             "this plugin needs tensors in memory");
        }
        if (t.use == WeightUse::kVector) check_finite(t.name, view);
        fingerprint_.add(t, view.data);
        auto weight = device_.load_weight(view, t.use);
        if (!weight->uses_mapping()) manifest_.tensor_done(t.index);
        private_bytes_ += weight->private_bytes();
        done_ += t.view.nbytes;
        return weight;
    }

    Linear linear(bool bias) {
        Linear out;
        out.weight = next();
        if (bias) out.bias = next();
        return out;
    }

    /// Tells how far it is, and throws where it is to stop.
    void report() const { progress_(done_, total_); }

    /// Tells that all is done.
    void finish() const { report(); }
    uint64_t private_bytes() const { return private_bytes_; }
    uint64_t fingerprint() const { return fingerprint_.value(); }

  private:
    const sdk::Manifest& manifest_;
    std::span<const PlannedTensor> plan_;
    Device& device_;
    const LoadProgress& progress_;
    Fingerprint fingerprint_;
    size_t next_ = 0;
    uint64_t done_ = 0, total_ = 0, private_bytes_ = 0;
};

/// The ABI's progress: reports and asks whether to go on; both are optional.
inline LoadProgress progress_of(const gantry_progress_t& p, std::string_view stage) {
    return [p, stage](uint64_t done, uint64_t total) {
        if (p.report != nullptr) p.report(p.ctx, sdk::to_abi(stage), done, total);
        if (p.keep_going != nullptr && p.keep_going(p.ctx) == 0) {
            throw sdk::Error(GANTRY_ERR_CANCELLED, "loading was cancelled");
        }
    };
}

}  // namespace gantry::transformer
