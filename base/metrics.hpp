#pragma once

/// Counters, gauges and histograms with labels, rendered as Prometheus or OpenMetrics text. A Registry is an object,
/// not a global; handles live as long as it does. Updating is lock-free and may be done from any thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gantry::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Only grows.
class Counter {
  public:
    void add(double amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

class Gauge {
  public:
    void set(double value) { value_.store(value, std::memory_order_relaxed); }
    void add(double amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

class Histogram {
  public:
    /// `bounds`: upper ends of the buckets, ascending; +Inf is added.
    explicit Histogram(std::vector<double> bounds);
    void observe(double value);
    const std::vector<double>& bounds() const { return bounds_; }
    /// Observations in bucket i alone (not cumulative); i == bounds().size() is +Inf.
    uint64_t in_bucket(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
    double sum() const { return sum_.load(std::memory_order_relaxed); }

  private:
    std::vector<double> bounds_;
    std::unique_ptr<std::atomic<uint64_t>[]> counts_;
    std::atomic<double> sum_{0};
};

/// 1 ms to about two minutes, for durations in seconds.
std::vector<double> duration_buckets();

/// A value that is kept elsewhere, in another process perhaps, and rendered among a registry's own.
struct Sample {
    std::string name;  ///< a counter's ends in "_total"
    std::string help;
    std::string type;  ///< "counter", "gauge" or "histogram"
    Labels labels;
    double value = 0;  ///< a histogram's sum
    std::vector<double> bounds;
    std::vector<uint64_t> counts;  ///< of a histogram's buckets, each alone; one more than bounds
};

enum class TextFormat { kPrometheus, kOpenMetrics };
/// The Content-Type of a rendering.
std::string_view content_type(TextFormat format);

class Registry {
  public:
    Registry();
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    /// The same name and labels give the same object. A counter's name ends in "_total". Takes a lock: keep the
    /// reference where updates are frequent.
    Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
    Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
    Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                         const Labels& labels = {});

    /// Called before each rendering, to set gauges from state that lives elsewhere.
    void on_collect(std::function<void()> refresh);
    /// Forgets one labelled value, when what it speaks of is gone.
    void remove(std::string_view name, const Labels& labels);

    /// A sample whose name is taken by a family of another type is left out.
    std::string render(TextFormat format = TextFormat::kPrometheus, const std::vector<Sample>& foreign = {}) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::metrics
