#include <gantry/transformer/options.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <string>
#include <utility>

namespace gantry::transformer {
namespace {

using sdk::Error;
using sdk::from_abi;

constexpr uint32_t kDefaultBlockSize = 16;
constexpr uint32_t kDefaultStepTokens = 512;
constexpr uint32_t kDefaultEncoderTokens = 4096;
constexpr uint32_t kLongEncoderTokens = 8192;
constexpr uint32_t kDefaultSequences = 64;
constexpr uint32_t kMaxBlockSize = 4096;
constexpr uint32_t kMaxStepTokens = 1 << 20;

constexpr std::array kKvTypes = {
    std::pair{KvType::kF32, std::string_view("f32")},   std::pair{KvType::kF16, std::string_view("f16")},
    std::pair{KvType::kBf16, std::string_view("bf16")}, std::pair{KvType::kQ8_0, std::string_view("q8_0")},
    std::pair{KvType::kQ4_0, std::string_view("q4_0")},
};

[[noreturn]] void refuse(std::string message, std::string hint = {}) {
    throw Error(GANTRY_ERR_INVALID_ARGUMENT, std::move(message), std::move(hint));
}

/// Levenshtein distance, for "did you mean".
size_t distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < a.size(); ++i) {
        size_t diagonal = std::exchange(row[0], i + 1);
        for (size_t j = 0; j < b.size(); ++j) {
            const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

[[noreturn]] void unknown_option(std::string_view key, const std::vector<std::string_view>& known) {
    const auto nearest = std::min_element(known.begin(), known.end(),
                                          [key](auto a, auto b) { return distance(key, a) < distance(key, b); });
    std::string all;
    for (const auto name : known) all += (all.empty() ? "" : ", ") + std::string(name);
    refuse("unknown option '" + std::string(key) + "'",
           "the nearest known one is '" + std::string(*nearest) + "'; known are: " + all);
}

uint32_t read_threads(std::string_view text, uint32_t budget) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > budget) {
        refuse("option 'threads' is '" + std::string(text) + "', a number from 1 to " + std::to_string(budget) +
                   " expected",
               "the upper end is the number of threads that the host allows");
    }
    return value;
}

KvType read_kv_type(std::string_view text) {
    std::string known;
    for (const auto& [type, name] : kKvTypes) {
        if (name == text) return type;
        known += (known.empty() ? "" : ", ") + std::string(name);
    }
    refuse("option 'kv_dtype' is '" + std::string(text) + "'", "known are: " + known);
}

uint32_t choose_device(const gantry_load_spec_t& spec, DeviceProvider& provider) {
    const auto& devices = provider.devices();
    if (devices.empty()) {
        throw Error(GANTRY_ERR_UNAVAILABLE, "the plugin '" + std::string(provider.id()) +
                                                "' has no devices: " + std::string(provider.why_no_devices()));
    }
    if (spec.device_count == 0) return devices.front().index;
    if (spec.device_count > 1) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED, "the plugin '" + std::string(provider.id()) +
                                                  "' cannot split a model over " + std::to_string(spec.device_count) +
                                                  " devices");
    }
    if (spec.devices == nullptr) refuse("devices is NULL");
    const uint32_t wanted = spec.devices[0];
    if (std::none_of(devices.begin(), devices.end(), [wanted](const auto& d) { return d.index == wanted; })) {
        refuse("there is no device " + std::to_string(wanted) + " in the plugin '" + std::string(provider.id()) + "'");
    }
    return wanted;
}

uint32_t limit(const char* name, uint32_t value, uint32_t fallback, uint32_t max) {
    if (value == 0) return fallback;
    if (value > max) {
        refuse(std::string(name) + " is " + std::to_string(value) + ", more than " + std::to_string(max));
    }
    return value;
}

}  // namespace

std::string_view kv_type_name(KvType type) {
    for (const auto& [known, name] : kKvTypes) {
        if (known == type) return name;
    }
    return "unknown";
}

LoadPlan read_options(const gantry_load_spec_t& spec, DeviceProvider& provider, uint32_t thread_budget) {
    if (spec.option_count != 0 && spec.options == nullptr) refuse("options is NULL");
    const auto own = provider.option_names();
    std::vector<std::string_view> known = {"kv_dtype", "threads"};
    known.insert(known.end(), own.begin(), own.end());

    LoadPlan plan;
    plan.threads = thread_budget;
    plan.kv_type = provider.default_kv_type();
    for (uint32_t i = 0; i < spec.option_count; ++i) {
        std::string_view key = from_abi(spec.options[i].key);
        const std::string_view value = from_abi(spec.options[i].value);
        if (const size_t dot = key.find('.'); dot != std::string_view::npos) {
            if (key.substr(0, dot) != provider.id()) continue;
            key.remove_prefix(dot + 1);
        }
        if (key == "threads") {
            plan.threads = read_threads(value, thread_budget);
        } else if (key == "kv_dtype") {
            plan.kv_type = read_kv_type(value);
        } else if (std::find(own.begin(), own.end(), key) != own.end()) {
            plan.provider_options.push_back({sdk::to_abi(key), spec.options[i].value});
        } else {
            unknown_option(key, known);
        }
    }
    plan.device = choose_device(spec, provider);
    return plan;
}

void complete_plan(LoadPlan& plan, const gantry_load_spec_t& spec, const ModelConfig& config) {
    plan.max_context = limit("max_context", spec.max_context, config.max_context(), config.max_context());
    plan.block_size = limit("block_size", spec.block_size, kDefaultBlockSize, kMaxBlockSize);
    plan.max_step_tokens = limit("max_step_tokens", spec.max_step_tokens, kDefaultStepTokens, kMaxStepTokens);
    plan.max_sequences =
        std::min(limit("max_sequences", spec.max_sequences, kDefaultSequences, kMaxStepTokens), plan.max_step_tokens);
    plan.max_logit_rows = std::min(limit("max_logit_rows", spec.max_logit_rows, plan.max_sequences, kMaxStepTokens),
                                   plan.max_step_tokens);
    plan.block_count = spec.block_count;
    // Slots are counted in 32 bits.
    if (plan.block_count > UINT32_MAX / plan.block_size) {
        refuse("block_count is " + std::to_string(plan.block_count) + ", more than " +
               std::to_string(UINT32_MAX / plan.block_size) + " with blocks of " + std::to_string(plan.block_size));
    }
    if (spec.state_slots != 0)
        refuse("state_slots is " + std::to_string(spec.state_slots) + ", but the model has no recurrent state");
}

void complete_encoder_plan(LoadPlan& plan, const gantry_load_spec_t& spec, const ModelConfig& config) {
    plan.max_context = limit("max_context", spec.max_context, config.max_context(), config.max_context());
    plan.block_size = limit("block_size", spec.block_size, kDefaultBlockSize, kMaxBlockSize);
    // Activations grow with the longest text: a context of 32768 is for those who ask for it.
    const uint32_t longest = spec.max_context != 0 ? plan.max_context : std::min(plan.max_context, kLongEncoderTokens);
    plan.max_step_tokens =
        limit("max_step_tokens", spec.max_step_tokens, std::max(longest, kDefaultEncoderTokens), kMaxStepTokens);
    plan.max_context = std::min(plan.max_context, plan.max_step_tokens);
    plan.max_sequences =
        std::min(limit("max_sequences", spec.max_sequences, kDefaultSequences, kMaxStepTokens), plan.max_step_tokens);
    if (spec.state_slots != 0) {
        refuse("state_slots is " + std::to_string(spec.state_slots) + ", but the model has no recurrent state");
    }
}

}  // namespace gantry::transformer
