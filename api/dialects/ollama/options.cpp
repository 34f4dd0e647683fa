#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "api/dialects/ollama/call.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::ollama {

namespace bj = boost::json;

namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();
constexpr double kMaxSeconds = 1e9;  ///< thirty years; longer is as good as for ever

struct Unit {
    std::string_view name;
    double seconds;
};
// "m" behind "ms": the longer name must be found first.
constexpr std::array<Unit, 8> kUnits{{{"ns", 1e-9},
                                      {"us", 1e-6},
                                      {"\xc2\xb5s", 1e-6},
                                      {"\xce\xbcs", 1e-6},
                                      {"ms", 1e-3},
                                      {"h", 3600},
                                      {"m", 60},
                                      {"s", 1}}};

/// A number in front of `text`, which loses it; nullopt where there is none.
std::optional<double> take_number(std::string_view& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return value;
}

std::optional<double> duration_seconds(std::string_view text) {
    const bool negative = text.starts_with('-');
    text.remove_prefix(negative || text.starts_with('+') ? 1 : 0);
    double sum = 0;
    bool first = true;
    do {
        const auto value = take_number(text);
        if (!value || *value < 0) {
            return std::nullopt;
        }
        if (text.empty() && first) {
            sum = *value;  // a plain number is one of seconds
            break;
        }
        const Unit* unit = nullptr;
        for (const Unit& candidate : kUnits) {
            unit = unit == nullptr && text.starts_with(candidate.name) ? &candidate : unit;
        }
        if (unit == nullptr) {
            return std::nullopt;
        }
        sum += *value * unit->seconds;
        text.remove_prefix(unit->name.size());
        first = false;
    } while (!text.empty());
    return negative ? -sum : sum;
}

void read_lengths(json::Reader& options, Call& call) {
    // -1 and -2 are "until it ends" and "as the context holds", which are the same here.
    if (const auto most = options.integer("num_predict", -2, kMaxInt); most && *most > 0) {
        call.request.max_tokens = static_cast<uint32_t>(*most);
    }
    call.request.n_keep = static_cast<int32_t>(options.integer("num_keep", -1, kMaxInt).value_or(0));
    if (const auto context = options.integer("num_ctx", 1, kMaxInt)) {
        call.num_ctx = static_cast<uint32_t>(*context);
    }
    if (const auto threads = options.integer("num_thread", 0, 4096); threads && *threads > 0) {
        call.num_thread = static_cast<uint32_t>(*threads);
    }
    if (auto stops = options.strings("stop", true)) {
        std::erase(*stops, std::string());
        call.request.stop = std::move(*stops);
    }
}

void read_draw(json::Reader& options, engine::SamplingParams& sampling) {
    sampling.temperature = options.number("temperature", {0, 100});
    sampling.top_k = options.integer("top_k", -1, kMaxInt);
    sampling.top_p = options.number("top_p", {0, 1});
    if (sampling.top_p == 0.0) {  // nothing but the best token is left of the draw
        sampling.top_p.reset();
        sampling.top_k = 1;
    }
    sampling.min_p = options.number("min_p", {0, 1});
    sampling.typical_p = options.number("typical_p", {0, 1, true});
    sampling.repetition_penalty = options.number("repeat_penalty", {0.01, 100});
    if (const auto last = options.integer("repeat_last_n", -1, kMaxInt)) {
        sampling.repeat_last_n = static_cast<int32_t>(*last);
    }
    sampling.presence_penalty = options.number("presence_penalty", {-2, 2}).value_or(0);
    sampling.frequency_penalty = options.number("frequency_penalty", {-2, 2}).value_or(0);
    if (const auto mirostat = options.integer("mirostat", 0, 2)) {
        sampling.mirostat = static_cast<int32_t>(*mirostat);
    }
    sampling.mirostat_tau = options.number("mirostat_tau", {0, 1000});
    sampling.mirostat_eta = options.number("mirostat_eta", {0, 1});
    // A negative seed is "any", Ollama's default.
    if (const auto seed = options.integer("seed"); seed && *seed >= 0) {
        sampling.seed = static_cast<uint64_t>(*seed);
    }
}

void read_format(json::Reader& reader, Call& call) {
    const bj::value* format = reader.any("format");
    if (format == nullptr || *format == "") {
        return;
    }
    engine::GrammarSpec spec;
    if (format->is_object()) {
        spec.kind = engine::GrammarSpec::Kind::kJsonSchema;
        spec.text = bj::serialize(*format);
    } else if (*format == "json") {
        spec.kind = engine::GrammarSpec::Kind::kJsonObject;
    } else {
        reader.fail("format", "must be \"json\" or a JSON schema, not " + bj::serialize(*format));
    }
    call.request.grammar = std::move(spec);
}

void read_think(json::Reader& reader, Call& call, engine::ChatInput& input) {
    const bj::value* think = reader.any("think");
    if (think == nullptr || *think == "") {
        return;
    }
    const bool level = *think == "low" || *think == "medium" || *think == "high";
    if (!think->is_bool() && !level) {
        reader.fail("think", "must be true, false, \"low\", \"medium\" or \"high\", not " + bj::serialize(*think));
        return;
    }
    const bool on = level || think->get_bool();
    input.template_kwargs["enable_thinking"] = on;
    input.template_kwargs["thinking"] = on;
    if (level) {
        input.template_kwargs["reasoning_effort"] = *think;
    }
    call.needs_thinking = on;
}

}  // namespace

std::string text_member(const bj::object& object, std::string_view name) {
    const bj::value* found = object.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

api::ApiResult<std::string> model_name(const bj::object& body) {
    json::Reader reader(body);
    auto name = reader.string("model");
    if (!name || name->empty()) {
        name = reader.string("name");
    }
    if (reader.status() && (!name || name->empty())) {
        reader.fail("model", "is required");
    }
    if (!reader.status()) {
        return api::ApiError::from(reader);
    }
    return std::move(*name);
}

KeepAlive read_keep_alive(json::Reader& reader) {
    const bj::value* value = reader.any("keep_alive");
    if (value == nullptr || *value == "") {
        return std::nullopt;
    }
    std::optional<double> seconds;
    if (value->is_number()) {
        seconds = value->to_number<double>();
    } else if (value->is_string()) {
        seconds = duration_seconds(value->get_string());
    }
    if (!seconds || !std::isfinite(*seconds)) {
        reader.fail("keep_alive",
                    "must be a duration like \"5m\" or a number of seconds, not " + bj::serialize(*value));
        return std::nullopt;
    }
    if (*seconds < 0 || *seconds > kMaxSeconds) {
        return std::chrono::seconds(-1);
    }
    return std::chrono::seconds(static_cast<int64_t>(std::ceil(*seconds)));
}

void read_options(json::Reader& reader, Call& call) {
    const bj::object* object = reader.object("options");
    if (object == nullptr) {
        return;
    }
    json::Reader options(*object, "options");
    read_lengths(options, call);
    read_draw(options, call.request.sampling);
    if (!options.status()) {
        reader.fail_at(options.failed_path(), options.status().error());
    }
    for (const std::string& name : options.unknown()) {
        call.ignored.push_back("options." + name);
    }
}

void read_answer_form(json::Reader& reader, Call& call, engine::ChatInput& input) {
    read_format(reader, call);
    read_think(reader, call, input);
    call.logprobs = reader.boolean("logprobs").value_or(false);
    const auto top = reader.integer("top_logprobs", 0, engine::kMaxTopLogprobs);
    if (call.logprobs) {
        call.request.top_logprobs = static_cast<uint32_t>(top.value_or(0));
    }
    // Ollama cuts what is too long by itself; here it is refused unless a client asks for the cut.
    if (reader.boolean("truncate").value_or(false)) {
        call.request.truncate_prompt_tokens = -1;
    }
    if (reader.boolean("shift").value_or(false) && call.request.max_tokens) {
        call.request.context_shift = true;
    }
}

}  // namespace gantry::dialects::ollama
