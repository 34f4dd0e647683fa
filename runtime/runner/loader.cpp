#include "runtime/runner/loader.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "base/json.hpp"
#include "base/log.hpp"
#include "registry/registry.hpp"
#include "runtime/runner/adapters.hpp"
#include "runtime/runner/draft_model.hpp"
#include "runtime/runner/scheduling.hpp"

namespace gantry::runner {
namespace json = boost::json;
namespace {

/// Prompt tokens in one step where nothing else decides: large enough for efficient products, small enough that running
/// answers do not stutter.
constexpr uint32_t kStepTokens = 512;
constexpr uint64_t kUnlimited = uint64_t{1} << 62;

Status check_cancelled(const std::atomic<bool>& cancelled) {
    return cancelled ? Status(Error{Code::kCancelled, "loading was cancelled"}) : ok();
}

plugins::LoadSpec load_spec(const RunnerSpec& spec) {
    plugins::LoadSpec out;
    out.max_sequences = std::max(spec.max_sequences, 1U);
    out.max_step_tokens = std::max(kStepTokens, out.max_sequences);
    out.max_logit_rows = logit_rows(out.max_sequences, spec.speculative);
    out.max_context = spec.context;
    out.options = spec.options;
    return out;
}

/// One prompt and one further token, so that the first request does not pay for pages, buffers and code that are
/// touched for the first time. What it writes into block 0 is overwritten by whoever gets the block.
Status warm_up(engine::CausalModel& model) {
    const engine::ModelLimits& limits = model.limits();
    if ((limits.features & GANTRY_CAUSAL_LM_RECURRENT) != 0) {
        return ok();  // would need a state slot, which is the engine's to give
    }
    const uint32_t prompt = std::min({8U, limits.block_size - 1, limits.max_step_tokens});
    if (prompt == 0) {
        return ok();
    }
    std::vector<int32_t> tokens(prompt);
    std::iota(tokens.begin(), tokens.end(), 0);
    std::ranges::for_each(tokens, [&](int32_t& id) { id %= static_cast<int32_t>(limits.vocab_size); });
    std::vector<float> logits(limits.vocab_size);
    const std::array<uint32_t, 2> block_begin{0, 1};
    const std::array<uint32_t, 1> block{0};
    for (const uint32_t count : {prompt, 1U}) {
        const uint32_t filled = count == prompt ? 0 : prompt;
        const std::array<uint32_t, 2> token_begin{0, count};
        const std::array<uint32_t, 1> last{count - 1};
        gantry_batch_t batch{};
        batch.struct_size = GANTRY_SIZE(gantry_batch_t, hidden);
        batch.sequence_count = 1;
        batch.token_count = count;
        batch.logit_row_count = 1;
        batch.token_ids = tokens.data();
        batch.token_begin = token_begin.data();
        batch.context_len = &filled;
        batch.block_begin = block_begin.data();
        batch.block_ids = block.data();
        batch.logit_rows = last.data();
        batch.logits = logits.data();
        GANTRY_CHECK_OK(model.execute(batch));
    }
    return ok();
}

/// What only language models have is refused by name, not passed over.
Status take_encoder(const RunnerSpec& spec, std::unique_ptr<encoder::EncoderModel> model, LoadedModel& out) {
    const char* wrong = !spec.adapters.empty()           ? "adapters"
                        : !spec.draft_model_path.empty() ? "a draft model"
                                                         : nullptr;
    if (wrong != nullptr) {
        return Error{Code::kInvalidArgument, std::string("the model encodes texts; it takes no ") + wrong};
    }
    out.texts = std::make_shared<const TextEncoder>(
        out.tokenizer, out.manifest->encoder.value_or(guess_encoder_info(model->limits())), model->limits());
    out.encoder = std::move(model);
    return ok();
}

json::object memory_json(const plugins::MemoryPlan& memory) {
    return {{"weights", memory.weights}, {"mapped", memory.mapped},   {"kv", memory.kv},
            {"scratch", memory.scratch}, {"process", memory.process}, {"total", memory.total()}};
}

json::object describe_encoder(const TextEncoder& texts, const encoder::EncoderLimits& limits) {
    const registry::EncoderInfo& info = texts.info();
    json::array prompts;
    for (const auto& [name, prompt] : info.prompts) {
        prompts.emplace_back(name);
    }
    return {{"width", texts.width()},
            {"max_tokens", texts.max_tokens()},
            {"max_step_tokens", limits.max_step_tokens},
            {"dimensions", json::array(info.dimensions.begin(), info.dimensions.end())},
            {"labels", json::array(info.labels.begin(), info.labels.end())},
            {"prompts", std::move(prompts)}};
}

}  // namespace

Result<plugins::PluginFile> find_plugin(const RunnerSpec& spec) {
    const std::vector<plugins::PluginFile> files =
        plugins::discover({spec.plugin_dirs.begin(), spec.plugin_dirs.end()});
    std::string known;
    for (const plugins::PluginFile& file : files) {
        if (file.id == spec.engine && !file.rejected) {
            return file;
        }
        known += (known.empty() ? "" : ", ") + file.id;
    }
    const auto rejected = std::ranges::find(files, spec.engine, &plugins::PluginFile::id);
    if (rejected != files.end()) {
        return *rejected->rejected;
    }
    return Error{Code::kNotFound, "there is no plugin '" + spec.engine + "'",
                 known.empty() ? "no plugins are installed" : "there are: " + known};
}

Result<LoadedModel> load_model(const RunnerSpec& spec, StatusWriter& status, const std::atomic<bool>& cancelled) {
    LoadedModel out;
    GANTRY_CHECK_OK(apply_scheduling(spec.scheduling, out.options));
    status.progress("map", 0, 0);
    GANTRY_TRY(registry::ModelManifest manifest, registry::load_manifest(spec.model_path));
    out.manifest = std::make_shared<const registry::ModelManifest>(std::move(manifest));
    GANTRY_CHECK_OK(check_cancelled(cancelled));

    status.progress("tokenizer", 0, 0);
    GANTRY_TRY(out.tokenizer, text::Tokenizer::create(out.manifest->tokenizer));
    GANTRY_TRY(OutputStyle style, OutputStyle::choose(spec.tool_parser, spec.reasoning_parser, *out.manifest));
    boost::json::object variables;
    if (!spec.template_kwargs.empty()) {
        GANTRY_TRY(variables, ::gantry::json::parse_object(spec.template_kwargs));
    }
    out.prompter =
        std::make_shared<const Prompter>(*out.manifest, out.tokenizer, std::move(style), std::move(variables));
    GANTRY_CHECK_OK(check_cancelled(cancelled));

    status.progress("plugin", 0, 0);
    GANTRY_TRY(const plugins::PluginFile file, find_plugin(spec));
    GANTRY_TRY(out.backend, plugins::Backend::load(file, spec.threads));
    plugins::LoadSpec load = plugins::spec_for(*out.manifest, load_spec(spec));
    GANTRY_TRY(const plugins::Assessment assessment, out.backend->assess(*out.manifest, load));
    plugins::MemoryWish wish;
    wish.context = spec.context != 0 ? std::optional(spec.context) : std::nullopt;
    wish.max_sequences = load.max_sequences;
    wish.available = spec.memory_bytes != 0 ? spec.memory_bytes : kUnlimited;
    GANTRY_TRY(out.memory, plugins::plan_memory(assessment, wish));
    log::info("memory: {}", out.memory.sum());
    load.block_size = assessment.block_size;
    load.block_count = out.memory.block_count;
    load.max_context = out.memory.context;

    const plugins::LoadProgress progress = [&](std::string_view stage, uint64_t done, uint64_t total) {
        status.progress(stage.empty() ? "map" : stage, done, total);
        return !cancelled;
    };
    GANTRY_TRY(plugins::AnyModel loaded, out.backend->load_any(out.manifest, load, progress, out.plan));
    if (loaded.encoder != nullptr) {
        GANTRY_CHECK_OK(take_encoder(spec, std::move(loaded.encoder), out));
        return out;
    }
    out.model = std::move(loaded.causal);
    for (const auto& [name, path] : spec.adapters) {
        status.progress("adapters", out.adapters.size(), spec.adapters.size());
        auto load = open_adapter(path);
        auto id = load ? (*load)(*out.model) : Result<uint32_t>(load.error());
        if (!id) {
            return id.error().in("adapter '" + name + "'");
        }
        out.adapters[name] = *id;
    }
    status.progress("warm-up", 0, 0);
    GANTRY_CHECK_OK(warm_up(*out.model));
    GANTRY_CHECK_OK(check_cancelled(cancelled));
    if (!spec.draft_model_path.empty()) {
        const plugins::LoadProgress draft_progress = [&](std::string_view, uint64_t done, uint64_t total) {
            status.progress("draft model", done, total);
            return !cancelled;
        };
        auto drafter = load_draft_model(spec, out, draft_progress);
        if (!drafter) {
            return drafter.error().in("the draft model");
        }
        out.drafter = std::move(*drafter);
    }
    return out;
}

namespace {

/// Of models all of whose layers look back a window only; else 0.
uint32_t window_of(const registry::ModelManifest& manifest) {
    const auto window = manifest.hyper.find("sliding_window");
    if (window == manifest.hyper.end() || manifest.hyper.contains("sliding_window_layers")) {
        return 0;
    }
    const auto* tokens = std::get_if<int64_t>(&window->second);
    return tokens != nullptr && *tokens > 0 ? static_cast<uint32_t>(*tokens) : 0;
}

}  // namespace

engine::EngineOptions engine_options(const LoadedModel& loaded, const RunnerSpec& spec) {
    engine::EngineOptions options = loaded.options;
    options.speculative = engine::draft_source_from(spec.speculative).value_or(engine::DraftSource::kOff);
    options.draft_tokens = spec.draft_tokens;
    options.drafter = loaded.drafter;
    options.adapters = loaded.adapters;
    const registry::GenerationDefaults& defaults = loaded.manifest->generation;
    options.eos_ids = defaults.eos_token_ids;
    const auto add = [&](std::optional<int32_t> id) {
        if (id && std::ranges::find(options.eos_ids, *id) == options.eos_ids.end()) {
            options.eos_ids.push_back(*id);
        }
    };
    options.window = window_of(*loaded.manifest);
    add(loaded.tokenizer->eos_id());
    if (!loaded.manifest->eos_token.empty()) {
        add(loaded.tokenizer->token_to_id(loaded.manifest->eos_token));
    }
    engine::SamplingParams& sampling = options.defaults.sampling;
    sampling.temperature = defaults.temperature;
    sampling.top_k = defaults.top_k;
    sampling.top_p = defaults.top_p;
    sampling.min_p = defaults.min_p;
    sampling.repetition_penalty = defaults.repetition_penalty;
    return options;
}

json::object describe_ready(const LoadedModel& loaded) {
    const registry::ModelManifest& manifest = *loaded.manifest;
    json::object out{{"name", manifest.name},
                     {"architecture", manifest.architecture},
                     {"format", manifest.format},
                     {"quantization", manifest.quantization},
                     {"parameter_count", manifest.parameter_count},
                     {"plan", loaded.plan},
                     {"memory", memory_json(loaded.memory)}};
    if (loaded.encoder != nullptr) {
        const encoder::EncoderLimits& limits = loaded.encoder->limits();
        out["abilities"] = json::array{registry::encoder_task_name(loaded.texts->info().task)};
        out["encoder"] = describe_encoder(*loaded.texts, limits);
        out["limits"] = json::object{{"vocab_size", limits.vocab_size},
                                     {"max_context", loaded.texts->max_tokens()},
                                     {"max_step_tokens", limits.max_step_tokens},
                                     {"max_sequences", limits.max_sequences}};
        return out;
    }
    const engine::ModelLimits& limits = loaded.model->limits();
    json::array abilities{"generate"};
    if (!loaded.prompter->chat_error()) {
        abilities.emplace_back("chat");
    }
    const OutputStyle& style = loaded.prompter->style();
    if (style.format != nullptr) {
        abilities.emplace_back("tools");
    }
    if (style.reasoning || style.format == text::find_output_format("harmony")) {
        abilities.emplace_back("reasoning");
    }
    out["abilities"] = std::move(abilities);
    out["chat_template"] = manifest.chat_template;
    out["tool_parser"] = style.format != nullptr ? style.format->name : "none";
    out["reasoning_tag"] = style.reasoning.begin;
    out["limits"] = json::object{{"vocab_size", limits.vocab_size},           {"block_size", limits.block_size},
                                 {"block_count", limits.block_count},         {"max_context", limits.max_context},
                                 {"max_step_tokens", limits.max_step_tokens}, {"max_sequences", limits.max_sequences}};
    return out;
}

}  // namespace gantry::runner
