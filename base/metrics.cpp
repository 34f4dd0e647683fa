#include "base/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <variant>

namespace gantry::metrics {
namespace {

using Value = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

struct Family {
    std::string help;
    std::string_view type;
    std::map<Labels, Value> values;
};

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out;
}

std::string number(double value) {
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    return std::isnan(value) ? std::string("NaN") : fmt::format("{}", value);
}

void sample(std::string& out, std::string_view name, std::string_view suffix, const Labels& labels,
            std::string_view extra_label, double value) {
    out += name;
    out += suffix;
    if (!labels.empty() || !extra_label.empty()) {
        out += '{';
        bool first = true;
        for (const auto& [key, text] : labels) {
            out += fmt::format("{}{}=\"{}\"", first ? "" : ",", key, escaped(text));
            first = false;
        }
        if (!extra_label.empty()) {
            out += fmt::format("{}{}", first ? "" : ",", extra_label);
        }
        out += '}';
    }
    out += fmt::format(" {}\n", number(value));
}

template <class InBucket>
void render_histogram(std::string& out, std::string_view name, const Labels& labels, const std::vector<double>& bounds,
                      InBucket in_bucket, double sum) {
    uint64_t total = 0;
    for (size_t i = 0; i <= bounds.size(); ++i) {
        total += in_bucket(i);
        const double bound = i < bounds.size() ? bounds[i] : INFINITY;
        sample(out, name, "_bucket", labels, fmt::format("le=\"{}\"", number(bound)), static_cast<double>(total));
    }
    sample(out, name, "_sum", labels, {}, sum);
    sample(out, name, "_count", labels, {}, static_cast<double>(total));
}

void render_head(std::string& out, std::string_view name, std::string_view help, std::string_view type,
                 TextFormat format) {
    // OpenMetrics names a counter's family without the suffix that its samples carry.
    if (format == TextFormat::kOpenMetrics && type == "counter" && name.ends_with("_total")) {
        name.remove_suffix(6);
    }
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(help), name, type);
}

void render_foreign(std::string& out, const Sample& s) {
    if (s.type == "histogram") {
        render_histogram(
            out, s.name, s.labels, s.bounds, [&](size_t i) { return i < s.counts.size() ? s.counts[i] : 0; }, s.value);
    } else {
        sample(out, s.name, "", s.labels, {}, s.value);
    }
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(new std::atomic<uint64_t>[bounds_.size() + 1]()) {}

void Histogram::observe(double value) {
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    counts_[static_cast<size_t>(at - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<double> duration_buckets() {
    return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
}

std::string_view content_type(TextFormat format) {
    return format == TextFormat::kPrometheus ? "text/plain; version=0.0.4; charset=utf-8"
                                             : "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

struct Registry::Impl {
    mutable std::mutex mutex;  ///< guards families; values are atomics
    std::map<std::string, Family, std::less<>> families;
    std::vector<std::function<void()>> refreshers;

    template <class T, class Make>
    T& get(std::string_view name, std::string_view help, std::string_view type, const Labels& labels, Make make) {
        const std::lock_guard lock(mutex);
        auto found = families.find(name);
        if (found == families.end()) {
            found = families.emplace(std::string(name), Family{std::string(help), type, {}}).first;
        }
        auto value = found->second.values.find(labels);
        if (value == found->second.values.end()) {
            value = found->second.values.emplace(labels, Value(make())).first;
        }
        return *std::get<std::unique_ptr<T>>(value->second);
    }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
    return impl_->get<Counter>(name, help, "counter", labels, [] { return std::make_unique<Counter>(); });
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
    return impl_->get<Gauge>(name, help, "gauge", labels, [] { return std::make_unique<Gauge>(); });
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                               const Labels& labels) {
    return impl_->get<Histogram>(name, help, "histogram", labels,
                                 [&] { return std::make_unique<Histogram>(std::move(bounds)); });
}

void Registry::on_collect(std::function<void()> refresh) { impl_->refreshers.push_back(std::move(refresh)); }

void Registry::remove(std::string_view name, const Labels& labels) {
    const std::lock_guard lock(impl_->mutex);
    if (const auto found = impl_->families.find(name); found != impl_->families.end()) {
        found->second.values.erase(labels);
    }
}

std::string Registry::render(TextFormat format, const std::vector<Sample>& foreign) const {
    for (const auto& refresh : impl_->refreshers) {
        refresh();
    }
    /// A family's lines; all of one name have to stand together.
    struct Block {
        std::string_view type;
        std::string text;
    };
    std::map<std::string_view, Block> blocks;
    const std::lock_guard lock(impl_->mutex);
    for (const auto& [name, family] : impl_->families) {
        if (family.values.empty()) {
            continue;
        }
        std::string& out = blocks.emplace(name, Block{family.type, {}}).first->second.text;
        render_head(out, name, family.help, family.type, format);
        for (const auto& [labels, value] : family.values) {
            if (const auto* counter = std::get_if<std::unique_ptr<Counter>>(&value)) {
                sample(out, name, "", labels, {}, (*counter)->value());
            } else if (const auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&value)) {
                sample(out, name, "", labels, {}, (*gauge)->value());
            } else {
                const Histogram& h = *std::get<std::unique_ptr<Histogram>>(value);
                render_histogram(
                    out, name, labels, h.bounds(), [&](size_t i) { return h.in_bucket(i); }, h.sum());
            }
        }
    }
    for (const Sample& s : foreign) {
        const auto [block, fresh] = blocks.emplace(s.name, Block{s.type, {}});
        if (fresh) {
            render_head(block->second.text, s.name, s.help, s.type, format);
        }
        if (block->second.type == s.type) {
            render_foreign(block->second.text, s);
        }
    }
    std::string out;
    for (const auto& [name, block] : blocks) {
        out += block.text;
    }
    if (format == TextFormat::kOpenMetrics) {
        out += "# EOF\n";
    }
    return out;
}

}  // namespace gantry::metrics
