#include "api/dialects/xinference/launch.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/json.hpp"
#include "runtime/fleet/uid.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;

namespace {

/// Xinference's own engines: callers name them out of habit, and mean "whatever runs this model".
constexpr std::array<std::string_view, 8> kUpstreamEngines{"llama.cpp", "transformers", "vllm",    "sglang",
                                                           "mlx",       "lmdeploy",     "trt-llm", "pytorch"};

/// Taken, and without effect on one machine without Python.
constexpr std::array<std::string_view, 10> kWithoutEffect{
    "worker_ip",    "gpu_idx", "replica_config",         "enable_virtual_env", "virtual_env_packages",
    "download_hub", "envs",    "virtual_env_find_links", "trust_remote_code",  "reasoning_content"};

std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

constexpr int64_t kMaxReplicas = 64;

void read_engine(json::Reader& reader, Launch& launch) {
    const std::string engine = reader.string("model_engine").value_or("");
    const std::string name = lowered(engine);
    if (name.empty() || name == "auto") {
        return;
    }
    if (std::find(kUpstreamEngines.begin(), kUpstreamEngines.end(), name) != kUpstreamEngines.end()) {
        launch.note = "model_engine " + engine + " is none of ours; the best backend for this machine is used";
        return;
    }
    launch.request.engine = name;
}

/// How many copies. A number in a string passes, as it does upstream.
void read_replica(json::Reader& reader, const bj::object& body, fleet::LaunchRequest& request) {
    const bj::value* given = body.if_contains("replica");
    reader.known({"replica"});
    if (!given) {
        return;
    }
    int64_t count = 0;
    if (const auto number = json::whole(*given)) {
        count = *number;
    } else if (given->is_string()) {
        const auto& text = given->get_string();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
        count = error == std::errc{} && end == text.data() + text.size() ? count : 0;
    }
    if (count < 1) {
        reader.fail("replica", "must be an integer of at least 1, not " + bj::serialize(*given));
    } else if (count > kMaxReplicas) {
        reader.fail("replica", fmt::format("must be at most {}, not {}", kMaxReplicas, count));
    } else {
        request.replicas = static_cast<uint32_t>(count);
    }
}

void read_devices(json::Reader& reader, const bj::object& body, Launch& launch) {
    reader.known({"n_gpu"});
    if (const bj::value* gpus = body.if_contains("n_gpu")) {
        if (gpus->is_null() && launch.request.engine.empty()) {
            launch.request.engine = "cpu";
        } else if (gpus->is_int64() && gpus->get_int64() > 0) {
            launch.ignored.emplace_back("n_gpu");
        } else if (!gpus->is_null() && *gpus != "auto") {
            reader.fail("n_gpu", "must be \"auto\", null or an integer of at least 1, not " + bj::serialize(*gpus));
        }
    }
    if (const bj::value* workers = reader.any("n_worker"); workers && *workers != 1 && *workers != "1") {
        launch.ignored.emplace_back("n_worker");
    }
}

/// How long it stays: seconds, or a text like "5m"; negative: for ever.
void read_residency(json::Reader& reader, fleet::LaunchRequest& request) {
    if (const bj::value* given = reader.any("keep_alive")) {
        request.keep_alive = read_duration(*given);
        if (!request.keep_alive) {
            reader.fail("keep_alive", "must be a number of seconds or a text like \"90s\", \"5m\" or \"1h30m\", not " +
                                          bj::serialize(*given));
        }
    }
    request.on_demand = reader.boolean("on_demand").value_or(false);
    request.pinned = reader.boolean("pinned").value_or(false);
    request.evict = reader.boolean("evict").value_or(false);
}

/// One number under several names: ours and those of the engines that callers come from.
/// With fewer tokens no prompt of a chat fits, and not even the one that warms the model up.
constexpr uint32_t kLeastContext = 16;

std::optional<uint32_t> first_count(json::Reader& reader, std::initializer_list<std::string_view> names) {
    std::optional<uint32_t> out;
    for (const std::string_view name : names) {
        const auto value = reader.integer(name, 1, std::numeric_limits<int32_t>::max());
        if (value && !out) {
            out = static_cast<uint32_t>(*value);
        }
    }
    return out;
}

void read_speculation(json::Reader& reader, fleet::LaunchRequest& request) {
    request.speculative = reader.string("speculative").value_or("");
    request.draft_model = reader.string("draft_model").value_or("");
    if (request.speculative.empty() && !request.draft_model.empty()) {
        request.speculative = "draft";
    }
    if (request.speculative == "draft" && request.draft_model.empty()) {
        reader.fail("speculative", "\"draft\" needs a draft_model", "name a smaller model with the same vocabulary");
    } else if (!request.speculative.empty() && !engine::draft_source_from(request.speculative)) {
        reader.fail("speculative",
                    fmt::format("must be \"off\", \"auto\", \"ngram\", \"suffix\" or \"draft\", not \"{}\"",
                                request.speculative));
    }
    if (const auto tokens = reader.integer("draft_tokens", 1, 64)) {
        request.draft_tokens = static_cast<uint32_t>(*tokens);
    }
}

/// Variables of the chat template where a request sets none: Xinference's enable_thinking, under both of the names that
/// templates have for it, and vLLM's default_chat_template_kwargs.
void read_template_kwargs(json::Reader& reader, fleet::LaunchRequest& request) {
    bj::object variables;
    if (const bj::object* given = reader.object("default_chat_template_kwargs")) {
        variables = *given;
    }
    if (const auto thinking = reader.boolean("enable_thinking")) {
        variables["enable_thinking"] = variables["thinking"] = *thinking;
    }
    if (!variables.empty()) {
        request.template_kwargs = bj::serialize(variables);
    }
}

void read_options(json::Reader& reader, Launch& launch) {
    const bj::object* options = reader.object("engine_options");
    if (!options) {
        return;
    }
    for (const auto& [key, value] : *options) {
        const bool plain = value.is_string() || value.is_number() || value.is_bool();
        if (!plain) {
            reader.fail("engine_options." + std::string(key), "must be a string, a number or a boolean");
            return;
        }
        launch.request.options[std::string(key)] =
            value.is_string() ? std::string(value.get_string()) : bj::serialize(value);
    }
}

/// One adapter of a list; `name_key` and `path_key` are what the list's form calls them.
void read_adapter(json::Reader& reader, std::string_view field, const bj::value& entry, std::string_view name_key,
                  std::string_view path_key, fleet::LaunchRequest& request) {
    const auto* object = entry.if_object();
    const auto text = [&](std::string_view key) {
        const bj::value* value = object == nullptr ? nullptr : object->if_contains(key);
        return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
    };
    const std::string name = text(name_key);
    const std::string path = text(path_key);
    if (name.empty() || path.empty()) {
        reader.fail(field, fmt::format("must list objects with \"{}\" and \"{}\"", name_key, path_key));
    } else if (!request.adapters.emplace(name, path).second) {
        reader.fail(field, fmt::format("names the adapter \"{}\" twice", name));
    }
}

/// LoRA adapters in Xinference's form (peft_model_config) and in vLLM's (lora_modules).
void read_adapters(json::Reader& reader, fleet::LaunchRequest& request) {
    if (const bj::object* config = reader.object("peft_model_config")) {
        const bj::value* list = config->if_contains("lora_list");
        if (list == nullptr || !list->is_array()) {
            reader.fail("peft_model_config", "needs \"lora_list\", a list of adapters");
            return;
        }
        for (const bj::value& entry : list->get_array()) {
            read_adapter(reader, "peft_model_config", entry, "lora_name", "local_path", request);
        }
    }
    if (const bj::value* modules = reader.any("lora_modules")) {
        if (!modules->is_array()) {
            reader.fail("lora_modules", "must be a list of objects with \"name\" and \"path\"");
            return;
        }
        for (const bj::value& entry : modules->get_array()) {
            read_adapter(reader, "lora_modules", entry, "name", "path", request);
        }
    }
    request.adapter_dirs = reader.strings("adapter_dirs").value_or(std::vector<std::string>());
}

/// 0.5, "0.5" and "0_5" are one size.
std::string read_size(json::Reader& reader) {
    const bj::value* size = reader.any("model_size_in_billions");
    if (!size) {
        return {};
    }
    if (size->is_string()) {
        std::string text(size->get_string());
        std::replace(text.begin(), text.end(), '_', '.');
        return text;
    }
    if (!size->is_number()) {
        reader.fail("model_size_in_billions", "must be a number or a string like \"0_5\"");
        return {};
    }
    return fmt::format("{}", size->to_number<double>());
}

}  // namespace

std::optional<std::chrono::seconds> read_duration(const bj::value& value) {
    constexpr double kLongest = 366.0 * 24 * 3600;
    const auto whole = [](double seconds) -> std::optional<std::chrono::seconds> {
        if (!(seconds <= kLongest)) {
            return std::nullopt;
        }
        return std::chrono::seconds(seconds < 0 ? -1 : static_cast<int64_t>(std::ceil(seconds)));
    };
    if (value.is_number()) {
        return whole(value.to_number<double>());
    }
    if (!value.is_string() || value.get_string().empty()) {
        return std::nullopt;
    }
    const std::string_view text = value.get_string();
    const bool negative = text.front() == '-';
    double sum = 0;
    for (size_t at = negative ? 1 : 0; at < text.size();) {
        double number = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
        if (error != std::errc{} || number < 0) {
            return std::nullopt;
        }
        at = static_cast<size_t>(end - text.data());
        const size_t unit_end = std::min(text.find_first_of("0123456789.", at), text.size());
        const std::string_view unit = text.substr(at, unit_end - at);
        const double factor = unit == "h"                   ? 3600
                              : unit == "m"                 ? 60
                              : unit == "s" || unit.empty() ? 1
                              : unit == "ms"                ? 1e-3
                                                            : 0;
        if (factor == 0) {
            return std::nullopt;
        }
        sum += number * factor;
        at = unit_end;
    }
    return whole(negative ? -1 : sum);
}

api::ApiResult<Launch> decode_launch(const bj::object& body) {
    json::Reader reader(body);
    Launch launch;
    fleet::LaunchRequest& request = launch.request;
    request.model_path = reader.string("model_path").value_or("");
    request.model = reader.string("model_name").value_or("");
    if (request.model.empty() && request.model_path.empty()) {
        reader.fail("model_name", "is missing; please specify the `model_name` field",
                    "a name from the catalog, or the path of a model's file or folder");
    }
    // What a model does is found in its files; the type only has to be one of those that are served.
    if (const auto type = reader.string("model_type");
        type && *type != "LLM" && *type != "embedding" && *type != "rerank") {
        reader.fail("model_type", fmt::format("this version runs models of the types \"LLM\", \"embedding\" and "
                                              "\"rerank\", not \"{}\"",
                                              *type));
    }
    request.uid = reader.string("model_uid").value_or("");
    if (const Status fine = request.uid.empty() ? ok() : fleet::check_uid(request.uid); !fine) {
        reader.fail_at("model_uid", fine.error());
    }
    read_engine(reader, launch);
    read_devices(reader, body, launch);
    if (const auto limit = reader.integer("request_limits", 0, std::numeric_limits<int32_t>::max())) {
        request.request_limit = static_cast<uint32_t>(*limit);
    }
    read_replica(reader, body, request);
    read_residency(reader, request);
    request.format = reader.string("model_format").value_or("");
    request.size_in_billions = read_size(reader);
    const std::string quantization = reader.string("quantization").value_or("");
    request.quantization = lowered(quantization) == "none" ? "" : quantization;
    request.context = first_count(reader, {"context_length", "n_ctx", "max_model_len"});
    if (request.context && *request.context < kLeastContext) {
        reader.fail("context_length",
                    fmt::format("must be at least {} tokens, not {}", kLeastContext, *request.context),
                    "a prompt and its answer share it");
    }
    request.max_sequences = first_count(reader, {"max_num_seqs", "n_parallel"});
    request.threads = first_count(reader, {"n_threads", "threads"});
    read_speculation(reader, request);
    read_options(reader, launch);
    request.tool_parser = reader.string("tool_parser").value_or("");
    request.reasoning_parser = reader.string("reasoning_parser").value_or("");
    read_template_kwargs(reader, request);
    // vLLM's name for the KV type; "auto" leaves the choice to the engine.
    if (const auto type = reader.string("kv_cache_dtype"); type && *type != "auto") {
        request.options.emplace("kv_dtype", *type);
    }
    read_adapters(reader, request);
    request.wake_on_request = reader.boolean("wake_on_request").value_or(false);
    for (const std::string_view name : kWithoutEffect) {
        if (reader.any(name)) {
            launch.ignored.emplace_back(name);
        }
    }
    if (!reader.status()) {
        return api::ApiError::from(reader);
    }
    for (const std::string& name : reader.unknown()) {
        if (!body.at(name).is_null()) {
            launch.ignored.push_back(name);
        }
    }
    return launch;
}

}  // namespace gantry::dialects::xinference
