#include "api/dialects/openai/sampling_fields.hpp"

#include <fmt/core.h>

#include <charconv>
#include <limits>

#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
/// A logit is divided by it: by less than this it could become infinite.
constexpr json::Range kRepetition{0.01, 100};
constexpr double kUnbounded = std::numeric_limits<double>::infinity();

void read_logit_bias(json::Reader& reader, engine::SamplingParams& sampling) {
    const bj::object* biases = reader.object("logit_bias");
    if (!biases) {
        return;
    }
    for (const auto& [key, value] : *biases) {
        int32_t id = -1;
        const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (error != std::errc{} || end != key.data() + key.size() || id < 0) {
            reader.fail("logit_bias",
                        fmt::format("its names must be token ids, not \"{}\"", std::string_view(key.substr(0, 40))));
            return;
        }
        const double bias = value.is_number() ? value.to_number<double>() : 1e9;
        if (!(bias >= -100 && bias <= 100)) {
            reader.fail("logit_bias", "a bias must be a number from -100 to 100, not " + bj::serialize(value));
            return;
        }
        sampling.logit_bias[id] = bias;
    }
}

std::optional<std::vector<std::string>> read_texts(json::Reader& reader, std::string_view name) {
    auto texts = reader.strings(name, true);
    if (texts && texts->size() > engine::kMaxSamplingTexts) {
        reader.fail(name, fmt::format("at most {} texts are possible", engine::kMaxSamplingTexts));
    }
    for (const std::string& text : texts.value_or(std::vector<std::string>())) {
        if (text.empty() || text.size() > engine::kMaxSamplingTextBytes) {
            reader.fail(name, fmt::format("a text must have 1 to {} bytes", engine::kMaxSamplingTextBytes));
        }
    }
    return texts;
}

void read_allowed(json::Reader& reader, engine::SamplingParams& sampling) {
    const auto ids = reader.integers("allowed_token_ids");
    if (!ids) {
        return;
    }
    if (ids->empty()) {
        reader.fail("allowed_token_ids", "must have at least one id");
    }
    auto& allowed = sampling.allowed_token_ids.emplace();
    for (const int64_t id : *ids) {
        if (id < 0 || id > kMaxTokens) {
            reader.fail("allowed_token_ids", std::to_string(id) + " is no token id");
            return;
        }
        allowed.push_back(static_cast<int32_t>(id));
    }
}

void read_penalties(json::Reader& reader, engine::SamplingParams& sampling) {
    const auto integer = [&](std::string_view name, int64_t low) {
        const auto value = reader.integer(name, low, kMaxTokens);
        return value ? std::optional(static_cast<int32_t>(*value)) : std::nullopt;
    };
    sampling.repetition_penalty = reader.number("repetition_penalty", kRepetition);
    if (const auto other = reader.number("repeat_penalty", kRepetition); other && !sampling.repetition_penalty) {
        sampling.repetition_penalty = other;
    }
    sampling.frequency_penalty = reader.number("frequency_penalty", {-2, 2}).value_or(0);
    sampling.presence_penalty = reader.number("presence_penalty", {-2, 2}).value_or(0);
    sampling.repeat_last_n = integer("repeat_last_n", -1);
    sampling.dry_multiplier = reader.number("dry_multiplier", {0, kUnbounded});
    sampling.dry_base = reader.number("dry_base", {1, kUnbounded});
    sampling.dry_allowed_length = integer("dry_allowed_length", 1);
    sampling.dry_penalty_last_n = integer("dry_penalty_last_n", -1);
    sampling.dry_sequence_breakers = read_texts(reader, "dry_sequence_breakers");
}

}  // namespace

void read_sampling(json::Reader& reader, engine::SamplingParams& sampling) {
    sampling.temperature = reader.number("temperature", {0, 2});
    sampling.dynatemp_range = reader.number("dynatemp_range", {0, kUnbounded});
    sampling.dynatemp_exponent = reader.number("dynatemp_exponent", {0, kUnbounded});
    sampling.top_k = reader.integer("top_k", -1, kMaxTokens);
    sampling.top_n_sigma = reader.number("top_n_sigma", {-1, kUnbounded});
    sampling.typical_p = reader.number("typical_p", {0, 1, true});
    sampling.top_p = reader.number("top_p", {0, 1, true});
    sampling.min_p = reader.number("min_p", {0, 1});
    sampling.xtc_threshold = reader.number("xtc_threshold", {0, 1});
    sampling.xtc_probability = reader.number("xtc_probability", {0, 1});
    if (const auto version = reader.integer("mirostat", 0, 2)) {
        sampling.mirostat = static_cast<int32_t>(*version);
    }
    sampling.mirostat_tau = reader.number("mirostat_tau", {0, kUnbounded});
    sampling.mirostat_eta = reader.number("mirostat_eta", {0, 1});
    if (const auto seed = reader.integer("seed")) {
        sampling.seed = static_cast<uint64_t>(*seed);
    }
    read_penalties(reader, sampling);
    read_logit_bias(reader, sampling);
    if (auto words = read_texts(reader, "bad_words")) {
        sampling.bad_words = std::move(*words);
    }
    read_allowed(reader, sampling);
}

void read_beams(json::Reader& reader, engine::GenerateRequest& request) {
    engine::BeamParams beams;
    const bool wanted = reader.boolean("use_beam_search").value_or(false);
    beams.width = static_cast<uint32_t>(
        reader.integer("beam_width", request.n, engine::kMaxAnswers).value_or(request.best_of.value_or(request.n)));
    beams.length_penalty = reader.number("length_penalty", {-10, 10}).value_or(1);
    if (const bj::value* early = reader.any("early_stopping")) {
        if (early->is_bool()) {
            beams.early_stopping = early->get_bool() ? engine::EarlyStopping::kYes : engine::EarlyStopping::kNo;
        } else if (*early == "never") {
            beams.early_stopping = engine::EarlyStopping::kNever;
        } else {
            reader.fail("early_stopping", "must be true, false or \"never\"");
        }
    }
    if (!wanted) {
        return;
    }
    request.best_of.reset();
    request.beams = beams;
    if (!request.stop.empty()) {
        reader.fail("stop", "is not possible with a beam search", "use stop_token_ids");
    }
    if (request.top_logprobs) {
        reader.fail("logprobs", "is not possible with a beam search");
    }
}

}  // namespace gantry::dialects::openai
