#pragma once

// Loading the tensors of a plan, one after the other.

#include <gantry/transformer/dequantize.hpp>
#include <gantry/transformer/weights.hpp>

#include <algorithm>
#include <cmath>
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

    void add(const std::string& name, const gantry_tensor_view_t& view) {
        add(name.data(), name.size());
        add(&view.dtype, sizeof view.dtype);
        add(view.shape, sizeof view.shape);
        // Small tensors whole, large ones at evenly spread windows: two models of one shape differ nearly everywhere,
        // and reading all of a mapped file would cost more than loading it.
        constexpr uint64_t kWindow = 4096;
        constexpr uint64_t kWindows = 16;
        if (view.nbytes <= kWindow * kWindows) return add(view.data, view.nbytes);
        const uint64_t step = (view.nbytes - kWindow) / (kWindows - 1);
        for (uint64_t i = 0; i < kWindows; ++i) add(static_cast<const char*>(view.data) + i * step, kWindow);
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
        const PlannedTensor& t = take();
        gantry_tensor_view_t view = mapped(t);
        if (t.use == WeightUse::kVector) check_finite(t.name, view);
        fingerprint_.add(t.name, view);
        const bool copied = t.rebuild != Rebuild::kNone;
        if (copied) {
            copies_.push_back(t.rebuild == Rebuild::kTurned ? turned(t, view.data) : unit_rows(view));
            view = t.view;
            view.data = copies_.back().data();
        }
        auto weight = device_.load_weight(view, t.use);
        if (copied && !weight->uses_mapping()) copies_.pop_back();
        if (copied || !weight->uses_mapping()) manifest_.tensor_done(t.index);
        private_bytes_ += weight->private_bytes();
        if (copied && weight->uses_mapping()) private_bytes_ += t.view.nbytes;
        done_ += t.view.nbytes;
        return weight;
    }

    /// The next tensor as numbers, for what the host computes.
    std::vector<float> values() {
        const PlannedTensor& t = take();
        const gantry_tensor_view_t view = mapped(t);
        check_finite(t.name, view);
        fingerprint_.add(t.name, view);
        std::vector<float> out(view.shape[0]);
        dequantize(view.dtype, static_cast<const std::byte*>(view.data), out.data(), out.size());
        manifest_.tensor_done(t.index);
        done_ += t.view.nbytes;
        return out;
    }

    /// What devices use in place though it is no part of the file; as long-lived as the weights.
    std::vector<std::vector<std::byte>> take_copies() { return std::move(copies_); }

    /// Tells how far it is, and throws where it is to stop.
    void report() const { progress_(done_, total_); }

    /// Tells that all is done.
    void finish() const { report(); }
    uint64_t private_bytes() const { return private_bytes_; }
    uint64_t fingerprint() const { return fingerprint_.value(); }

  private:
    const PlannedTensor& take() {
        if (next_ == plan_.size()) throw sdk::Error(GANTRY_ERR_INTERNAL, "the tensor plan is shorter than the model");
        progress_(done_, total_);
        return plan_[next_++];
    }

    gantry_tensor_view_t mapped(const PlannedTensor& t) const {
        const gantry_tensor_view_t view = manifest_.tensor(t.index);
        if (view.data != nullptr) return view;
        throw sdk::Error(GANTRY_ERR_FAILED_PRECONDITION, "tensor '" + t.name + "' is not mapped",
                         "this plugin needs tensors in memory");
    }

    /// From [in, out] to [out, in], of elements of whole bytes.
    static std::vector<std::byte> turned(const PlannedTensor& t, const void* data) {
        const uint64_t rows = t.view.shape[0];
        const uint64_t cols = t.view.shape[1];
        const uint64_t size = t.view.nbytes / (rows * cols);
        std::vector<std::byte> out(t.view.nbytes);
        const auto* from = static_cast<const std::byte*>(data);
        for (uint64_t r = 0; r < rows; ++r) {
            for (uint64_t c = 0; c < cols; ++c) {
                std::memcpy(out.data() + (r * cols + c) * size, from + (c * rows + r) * size, size);
            }
        }
        return out;
    }

    static std::vector<std::byte> unit_rows(const gantry_tensor_view_t& from) {
        const uint64_t rows = from.shape[0];
        const uint64_t cols = from.shape[1];
        std::vector<std::byte> out(rows * cols * sizeof(float));
        std::vector<float> row(cols);
        for (uint64_t r = 0; r < rows; ++r) {
            const auto* data = static_cast<const std::byte*>(from.data) + r * (from.nbytes / rows);
            dequantize(from.dtype, data, row.data(), cols);
            double sum = 0;
            for (const float v : row) sum += static_cast<double>(v) * static_cast<double>(v);
            const double length = std::max(std::sqrt(sum), 1e-12);
            for (float& v : row) v = static_cast<float>(static_cast<double>(v) / length);
            std::memcpy(out.data() + r * cols * sizeof(float), row.data(), cols * sizeof(float));
        }
        return out;
    }

    const sdk::Manifest& manifest_;
    std::span<const PlannedTensor> plan_;
    Device& device_;
    const LoadProgress& progress_;
    Fingerprint fingerprint_;
    std::vector<std::vector<std::byte>> copies_;
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
