#include "runtime/runner/stats_json.hpp"

#include <cmath>
#include <string>

namespace gantry::runner {
namespace {

namespace json = boost::json;

constexpr double kExact = 9007199254740992.0;  ///< 2^53: beyond, a double has no place for units

/// Counts are written as whole numbers.
json::value number(double value) {
    return std::floor(value) == value && std::abs(value) < kExact ? json::value(static_cast<int64_t>(value))
                                                                  : json::value(value);
}

json::object family(std::string_view name, std::string_view suffix, std::string_view type, std::string_view help) {
    return {{"name", "gantry_engine_" + std::string(name) + std::string(suffix)}, {"type", type}, {"help", help}};
}

/// Engines differ in what they count, not in the form.
template <class Stats, class Meter, class StatFields, class HistogramFields>
json::object render(const Stats& stats, const Meter& meter, const StatFields& stat_fields,
                    const HistogramFields& histogram_fields) {
    json::object out;
    json::array metrics;
    for (const auto& field : stat_fields) {
        const json::value value = number(field.read(stats));
        json::object one =
            family(field.name, field.counter ? "_total" : "", field.counter ? "counter" : "gauge", field.help);
        one["value"] = value;
        metrics.emplace_back(std::move(one));
        out[field.name] = value;
    }
    for (const auto& field : histogram_fields) {
        const metrics::Histogram& histogram = meter.*field.member;
        json::object one = family(field.name, "", "histogram", field.help);
        json::array counts;
        for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
            counts.emplace_back(histogram.in_bucket(i));
        }
        one["bounds"] = json::array(histogram.bounds().begin(), histogram.bounds().end());
        one["counts"] = std::move(counts);
        one["sum"] = histogram.sum();
        metrics.emplace_back(std::move(one));
    }
    out["metrics"] = std::move(metrics);
    return out;
}

}  // namespace

json::object stats_json(const engine::EngineStats& stats, const engine::EngineMeter& meter) {
    return render(stats, meter, engine::stat_fields(), engine::histogram_fields());
}

json::object stats_json(const encoder::EncoderStats& stats, const encoder::EncoderMeter& meter) {
    return render(stats, meter, encoder::stat_fields(), encoder::histogram_fields());
}

}  // namespace gantry::runner
