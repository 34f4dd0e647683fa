#pragma once

/// Everything between a RunnerSpec and a model that answers.

#include <atomic>
#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/manifest.hpp"
#include "runtime/engine/causal_model.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/plugins/memory_plan.hpp"
#include "runtime/plugins/plugin.hpp"
#include "runtime/runner/prompt.hpp"
#include "runtime/runner/spec.hpp"
#include "runtime/runner/status.hpp"
#include "runtime/runner/text_encoder.hpp"

namespace gantry::runner {

/// Destroyed last to first: the model goes before the plugin that made it.
struct LoadedModel {
    std::shared_ptr<const registry::ModelManifest> manifest;
    std::shared_ptr<const text::Tokenizer> tokenizer;
    std::shared_ptr<const Prompter> prompter;
    std::unique_ptr<plugins::Backend> backend;
    plugins::MemoryPlan memory;
    std::string plan;                                ///< the plugin's own line
    engine::EngineOptions options;                   ///< as the launch wants them
    std::unique_ptr<engine::CausalModel> model;      ///< null where `encoder` is set
    std::unique_ptr<encoder::EncoderModel> encoder;  ///< of models that give vectors or scores
    std::shared_ptr<const TextEncoder> texts;        ///< beside `encoder`
    std::shared_ptr<engine::Drafter> drafter;        ///< over the draft model, where there is one
    std::map<std::string, uint32_t> adapters;        ///< of the model, by name
};

/// Manifest, tokenizer, template, plugin, memory plan, weights, one step to warm up; tells its progress. Setting
/// `cancelled` ends it soon with kCancelled.
Result<LoadedModel> load_model(const RunnerSpec& spec, StatusWriter& status, const std::atomic<bool>& cancelled);

/// The plugin folder that `spec` names; kNotFound lists what there is.
Result<plugins::PluginFile> find_plugin(const RunnerSpec& spec);

/// The publisher's end tokens and sampling values, and what the launch asked for.
engine::EngineOptions engine_options(const LoadedModel& loaded, const RunnerSpec& spec);

/// The "ready" line.
boost::json::object describe_ready(const LoadedModel& loaded);

}  // namespace gantry::runner
