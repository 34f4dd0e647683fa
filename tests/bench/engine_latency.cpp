/// engine_latency MODEL [PLUGIN]: prints the median milliseconds of a one-token request when the engine is called
/// directly, without server, runner, socket or JSON. The bench subtracts it from the same request over HTTP.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <iostream>
#include <numeric>

#include "base/paths.hpp"
#include "registry/registry.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/plugins/plugin.hpp"

using namespace gantry;

namespace {

Status run(const std::string& model_path, const std::string& plugin_id) {
    GANTRY_TRY(auto manifest, registry::load_manifest(model_path));
    const auto shared = std::make_shared<const registry::ModelManifest>(std::move(manifest));
    GANTRY_TRY(auto tokenizer, text::Tokenizer::create(shared->tokenizer));
    const auto files = plugins::discover(paths::plugin_dirs());
    const auto file = std::ranges::find(files, plugin_id, &plugins::PluginFile::id);
    if (file == files.end()) {
        return Error{Code::kNotFound, "no plugin " + plugin_id};
    }
    GANTRY_TRY(auto backend, plugins::Backend::load(*file, 2));
    plugins::LoadSpec spec;
    spec.block_size = 16;
    spec.block_count = 256;
    spec.max_step_tokens = 512;
    spec.max_sequences = 16;
    spec.max_logit_rows = 16;
    spec.max_context = 2048;
    std::string plan;
    GANTRY_TRY(auto model, backend->load_causal(
                               shared, spec, [](auto, auto, auto) { return true; }, plan));
    engine::EngineOptions options;
    options.eos_ids = shared->generation.eos_token_ids;
    engine::Engine engine(std::move(model), tokenizer, options);

    std::vector<double> times;
    constexpr int kWarmUp = 50;
    constexpr int kRuns = 400;
    for (int i = 0; i < kWarmUp + kRuns; ++i) {
        engine::EngineRequest request;
        request.id = std::to_string(i);
        request.prompt.resize(8);
        std::iota(request.prompt.begin(), request.prompt.end(), 5);
        request.params.max_tokens = 1;
        request.params.sampling.temperature = 0;
        std::promise<void> done;
        const auto start = std::chrono::steady_clock::now();
        GANTRY_CHECK_OK(engine.submit(std::move(request), [&](const std::vector<engine::Event>& events) {
            const auto& last = events.back();
            if (std::holds_alternative<engine::Usage>(last) || std::holds_alternative<Error>(last)) {
                done.set_value();
            }
        }));
        done.get_future().wait();
        if (i >= kWarmUp) {
            times.push_back(
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
        }
    }
    std::ranges::nth_element(times, times.begin() + kRuns / 2);
    std::printf("%.4f\n", times[kRuns / 2]);
    return ok();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: engine_latency MODEL [PLUGIN]\n";
        return 2;
    }
    if (const auto status = run(argv[1], argc > 2 ? argv[2] : "cpu"); !status) {
        std::cerr << status.error().text() << "\n";
        return 1;
    }
    return 0;
}
