/// gantry convert: writes a GGUF model with other tensor types, without a server.

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>
#include <thread>

#include "api/cli/command_list.hpp"
#include "api/cli/stop_on_signal.hpp"
#include "api/cli/terminal.hpp"
#include "base/paths.hpp"
#include "registry/convert/convert.hpp"
#include "registry/formats/dtype.hpp"
#include "registry/registry.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

Result<const registry::Mixture*> wanted_mixture(const Arguments& args) {
    std::string names;
    for (const auto& mixture : registry::mixtures()) {
        names += (names.empty() ? "" : ", ") + std::string(mixture.name);
    }
    const auto type = args.value("type");
    if (!type) {
        return Error{Code::kInvalidArgument, "--type is required", "one of " + names};
    }
    const auto* mixture = registry::find_mixture(*type);
    if (mixture == nullptr) {
        return Error{Code::kInvalidArgument, "\"" + *type + "\" is no type that gantry convert writes",
                     "one of " + names};
    }
    return mixture;
}

Result<registry::GgufModel> open_source(const std::string& reference) {
    GANTRY_TRY(const auto all, registry::Registry::open(registry::RegistryPaths::standard(paths::share_dir())));
    GANTRY_TRY(const auto model, all.resolve(reference));
    if (model.path.extension() != ".gguf" && std::filesystem::is_directory(model.path)) {
        return Error{Code::kUnimplemented, model.path.string() + " holds safetensors, gantry convert reads GGUF files",
                     "make a GGUF file in F16 or BF16 of it first, with llama.cpp's convert_hf_to_gguf.py"};
    }
    return registry::open_gguf(model.path);
}

void print_plan(const registry::ConversionPlan& plan, bool as_json) {
    json::array tensors;
    std::vector<std::vector<std::string>> rows{{"TENSOR", "FROM", "TO", "BYTES"}};
    for (const auto& tensor : plan.tensors) {
        const auto from = registry::dtype_name(tensor.source->dtype);
        const auto to = registry::dtype_name(tensor.dtype);
        tensors.push_back({{"name", tensor.source->name}, {"from", from}, {"to", to}, {"bytes", tensor.nbytes}});
        rows.push_back(
            {std::string(tensor.source->name), std::string(from), std::string(to), std::to_string(tensor.nbytes)});
    }
    if (as_json) {
        std::cout << json::serialize(
                         json::object{{"tensors", tensors}, {"source_bytes", plan.source_bytes}, {"bytes", plan.bytes}})
                  << "\n";
        return;
    }
    std::cout << table(rows) << human_bytes(plan.source_bytes) << " become " << human_bytes(plan.bytes) << "\n";
}

}  // namespace

int cmd_convert(const Arguments& args) {
    const StopOnSignal stop;
    const auto mixture = wanted_mixture(args);
    if (!mixture) {
        return fail(mixture.error());
    }
    const long cores = std::max(1L, static_cast<long>(std::thread::hardware_concurrency()));
    const auto threads = args.number("threads", std::min(cores, 256L), 1, 256);
    if (!threads) {
        return fail(threads.error());
    }
    const auto model = open_source(args.operands[0]);
    if (!model) {
        return fail(model.error());
    }
    const auto plan = registry::plan_conversion(*model, **mixture, args.has("requantize"));
    if (!plan) {
        return fail(plan.error());
    }
    if (args.has("dry-run")) {
        print_plan(*plan, args.has("json"));
        return 0;
    }
    ProgressLine line(args.has("quiet"));
    registry::ConversionRun run;
    run.threads = static_cast<unsigned>(*threads);
    run.overwrite = args.has("force");
    run.progress = [&](uint64_t done, uint64_t total) { line.update("converting", done, total); };
    run.stop = stop.token();
    const auto done = registry::run_conversion(*plan, args.operands[1], run);
    line.clear();
    if (!done) {
        return fail(done.error());
    }
    if (!args.has("quiet")) {
        std::cerr << human_bytes(plan->source_bytes) << " became " << human_bytes(plan->bytes) << "\n";
    }
    std::cout << args.operands[1] << "\n";
    return 0;
}

}  // namespace gantry::cli
