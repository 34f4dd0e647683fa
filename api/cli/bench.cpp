/// gantry bench: how fast a model computes here, beside what the machine could do.

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <set>
#include <sstream>

#include "api/cli/command_list.hpp"
#include "api/cli/machine_probe.hpp"
#include "api/cli/terminal.hpp"
#include "base/paths.hpp"
#include "registry/registry.hpp"
#include "runtime/fleet/machine.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kStepTokens = 512;

struct Plan {
    std::string engine;
    std::vector<uint32_t> threads, sequences;
    uint32_t prompt = 0, tokens = 0;
};

/// One measured speed, and the one that the machine's limits would allow; 0: not known.
struct Speed {
    uint32_t threads;
    std::string what;  ///< "prompt" or "generate"
    uint32_t sequences;
    double tokens_per_second, limit;
};

Result<std::vector<uint32_t>> read_list(const Arguments& args, std::string_view option, std::vector<uint32_t> fallback,
                                        uint32_t most) {
    const auto text = args.value(option);
    if (!text) return fallback;
    std::set<uint32_t> numbers;
    std::istringstream in(*text);
    for (std::string word; std::getline(in, word, ',');) {
        uint32_t n = 0;
        const auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), n);
        if (ec != std::errc{} || end != word.data() + word.size() || n == 0 || n > most) {
            return Error{Code::kInvalidArgument,
                         "--" + std::string(option) + " takes numbers from 1 to " + std::to_string(most) + ", not \"" +
                             word + "\"",
                         "separate several with commas: 1,2"};
        }
        numbers.insert(n);
    }
    if (numbers.empty()) return Error{Code::kInvalidArgument, "--" + std::string(option) + " is empty"};
    return std::vector<uint32_t>(numbers.begin(), numbers.end());
}

Result<Plan> read_plan(const Arguments& args, uint64_t context_length) {
    constexpr uint32_t kMostThreads = 1024, kMostSequences = 256;
    constexpr long kDefaultPrompt = 512, kDefaultTokens = 64, kMostTokens = 1 << 20;
    Plan plan;
    plan.engine = args.value("engine").value_or("cpu");
    GANTRY_TRY(plan.threads, read_list(args, "threads", {fleet::usable_cores()}, kMostThreads));
    GANTRY_TRY(plan.sequences, read_list(args, "concurrency", {1, 4, 16}, kMostSequences));
    GANTRY_TRY(const long prompt, args.number("prompt", kDefaultPrompt, 1, kMostTokens));
    GANTRY_TRY(const long tokens, args.number("tokens", kDefaultTokens, 1, kMostTokens));
    plan.prompt = static_cast<uint32_t>(prompt);
    plan.tokens = static_cast<uint32_t>(tokens);
    if (context_length != 0 && uint64_t{plan.prompt} + plan.tokens > context_length) {
        return Error{Code::kInvalidArgument,
                     "a prompt of " + std::to_string(prompt) + " tokens and " + std::to_string(tokens) +
                         " more exceed the model's context of " + std::to_string(context_length),
                     "choose smaller --prompt and --tokens"};
    }
    return plan;
}

/// What a token costs.
struct Work {
    double prompt_operations = 0;    ///< multiplications and additions, without the head
    double generate_operations = 0;  ///< with it
    double bytes = 0;                ///< of weights that a step of generation reads
};

Work work_of(const registry::ModelManifest& manifest) {
    Work work;
    const bool tied = manifest.find("output.weight") == nullptr;
    for (const registry::TensorEntry& t : manifest.tensors) {
        const double elements = std::accumulate(t.shape.begin(), t.shape.end(), 1.0,
                                                [](double n, uint64_t d) { return n * static_cast<double>(d); });
        const bool table = t.name == "token_embd.weight";
        if (table && !tied) continue;  // one row of it
        work.bytes += static_cast<double>(manifest.data(t).size());
        work.generate_operations += 2 * elements;
        if (!table && t.name != "output.weight") work.prompt_operations += 2 * elements;
    }
    return work;
}

/// A loaded model whose first sequences are driven step by step.
class Driver {
  public:
    Driver(engine::CausalModel& model, const Plan& plan)
        : model_(model),
          plan_(plan),
          blocks_((plan.prompt + plan.tokens + model.limits().block_size - 1) / model.limits().block_size),
          logits_(static_cast<size_t>(plan.sequences.back()) * model.limits().vocab_size) {}

    /// Seconds that the first sequence's prompt takes.
    Result<double> prompt() {
        const auto start = Clock::now();
        for (uint32_t done = 0; done < plan_.prompt; done += kStepTokens) {
            GANTRY_CHECK_OK(step(1, std::min(kStepTokens, plan_.prompt - done), done));
        }
        return std::chrono::duration<double>(Clock::now() - start).count();
    }

    /// Gives the other sequences the first one's context.
    Status spread() {
        for (uint32_t s = 1; s < plan_.sequences.back(); ++s) {
            std::vector<uint32_t> from(blocks_), to(blocks_);
            std::iota(from.begin(), from.end(), 0U);
            std::iota(to.begin(), to.end(), s * blocks_);
            GANTRY_CHECK_OK(model_.copy_blocks(from, to));
        }
        return ok();
    }

    /// Seconds that plan.tokens steps with so many sequences take.
    Result<double> generate(uint32_t sequences) {
        GANTRY_CHECK_OK(step(sequences, 1, plan_.prompt));
        const auto start = Clock::now();
        for (uint32_t i = 0; i < plan_.tokens; ++i) GANTRY_CHECK_OK(step(sequences, 1, plan_.prompt + i));
        return std::chrono::duration<double>(Clock::now() - start).count();
    }

  private:
    Status step(uint32_t sequences, uint32_t tokens, uint32_t context) {
        std::vector<int32_t> ids(static_cast<size_t>(sequences) * tokens);
        for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>((i * 31 + context) % 200);
        std::vector<uint32_t> token_begin(sequences + 1), block_begin(sequences + 1), context_len(sequences, context);
        std::vector<uint32_t> block_ids(static_cast<size_t>(sequences) * blocks_), rows(sequences);
        std::iota(block_ids.begin(), block_ids.end(), 0U);
        for (uint32_t s = 0; s <= sequences; ++s) {
            token_begin[s] = s * tokens;
            block_begin[s] = s * blocks_;
            if (s < sequences) rows[s] = (s + 1) * tokens - 1;
        }
        gantry_batch_t batch{};
        batch.struct_size = sizeof batch;
        batch.sequence_count = sequences;
        batch.token_count = static_cast<uint32_t>(ids.size());
        batch.logit_row_count = sequences;
        batch.token_ids = ids.data();
        batch.token_begin = token_begin.data();
        batch.context_len = context_len.data();
        batch.block_begin = block_begin.data();
        batch.block_ids = block_ids.data();
        batch.logit_rows = rows.data();
        batch.logits = logits_.data();
        return model_.execute(batch);
    }

    engine::CausalModel& model_;
    const Plan& plan_;
    uint32_t blocks_;  ///< of one sequence
    std::vector<float> logits_;
};

Result<std::vector<Speed>> measure(const std::shared_ptr<const registry::ModelManifest>& manifest, const Plan& plan,
                                   uint32_t threads, const MachineLimits& machine, bool quiet) {
    const auto files = plugins::discover(paths::plugin_dirs());
    const auto file = std::ranges::find(files, plan.engine, &plugins::PluginFile::id);
    if (file == files.end()) {
        return Error{Code::kNotFound, "there is no plugin '" + plan.engine + "'", "gantry backends lists them"};
    }
    GANTRY_TRY(const auto backend, plugins::Backend::load(*file, threads));
    plugins::LoadSpec spec;
    spec.block_size = 16;
    spec.max_sequences = spec.max_logit_rows = plan.sequences.back();
    spec.max_step_tokens = std::max(kStepTokens, plan.sequences.back());
    spec.max_context = plan.prompt + plan.tokens;
    spec.block_count = uint64_t{(spec.max_context + spec.block_size - 1) / spec.block_size} * spec.max_sequences;
    ProgressLine progress(quiet);
    std::string text;
    GANTRY_TRY(const auto model, backend->load_causal(
                                     manifest, spec,
                                     [&](std::string_view stage, uint64_t done, uint64_t total) {
                                         progress.update(stage, done, total);
                                         return true;
                                     },
                                     text));
    progress.clear();
    const Work work = work_of(*manifest);
    const double peak = machine.int8_per_second.value_or(0);
    Driver driver(*model, plan);
    GANTRY_TRY(const double warm, driver.prompt());
    GANTRY_TRY(const double again, driver.prompt());
    std::vector<Speed> speeds;
    speeds.push_back({threads, "prompt", 1, plan.prompt / std::min(warm, again), peak / work.prompt_operations});
    GANTRY_CHECK_OK(driver.spread());
    for (const uint32_t n : plan.sequences) {
        GANTRY_TRY(const double seconds, driver.generate(n));
        double limit = n * machine.read_bandwidth / work.bytes;
        if (peak > 0) limit = std::min(limit, peak / work.generate_operations);
        speeds.push_back({threads, "generate", n, static_cast<double>(n) * plan.tokens / seconds, limit});
    }
    return speeds;
}

std::string number(double value, int digits = 1) {
    std::ostringstream out;
    out << std::fixed << std::setprecision(digits) << value;
    return out.str();
}

void print(const Plan& plan, const std::vector<Speed>& speeds) {
    std::vector<std::vector<std::string>> rows{{"THREADS", "WHAT", "SEQUENCES", "TOKENS/S", "LIMIT", "SHARE"}};
    for (const Speed& s : speeds) {
        const std::string what = s.what + " " + std::to_string(s.what == "prompt" ? plan.prompt : plan.tokens);
        const bool known = s.limit > 0;
        rows.push_back({std::to_string(s.threads), what, std::to_string(s.sequences), number(s.tokens_per_second),
                        known ? number(s.limit) : "-",
                        known ? number(100 * s.tokens_per_second / s.limit, 0) + " %" : "-"});
    }
    std::cout << table(rows);
}

json::object to_json(const Speed& s) {
    json::object o{{"threads", s.threads},
                   {"what", s.what},
                   {"sequences", s.sequences},
                   {"tokens_per_second", s.tokens_per_second}};
    if (s.limit > 0) o["limit"] = s.limit;
    return o;
}

Status run(const Arguments& args) {
    GANTRY_TRY(const auto registry, registry::Registry::open(registry::RegistryPaths::standard(paths::share_dir())));
    GANTRY_TRY(const auto ref, registry.resolve(args.operands[0]));
    GANTRY_TRY(auto loaded, registry::load_manifest(ref.path));
    const auto manifest = std::make_shared<const registry::ModelManifest>(std::move(loaded));
    GANTRY_TRY(const Plan plan, read_plan(args, manifest->context_length));
    const bool as_json = args.has("json");
    json::array machines;
    std::vector<Speed> speeds;
    for (const uint32_t threads : plan.threads) {
        const MachineLimits machine = measure_machine(threads);
        json::object limits{{"threads", threads}, {"read_bytes_per_second", machine.read_bandwidth}};
        if (machine.int8_per_second) limits["int8_operations_per_second"] = *machine.int8_per_second;
        machines.push_back(limits);
        if (!as_json) {
            std::cout << threads << (threads == 1 ? " thread reads " : " threads read ")
                      << number(machine.read_bandwidth / 1e9) << " GB/s";
            if (machine.int8_per_second)
                std::cout << ", " << number(*machine.int8_per_second / 1e9, 0) << " int8 GOP/s";
            std::cout << std::endl;
        }
        GANTRY_TRY(const auto measured, measure(manifest, plan, threads, machine, as_json || args.has("quiet")));
        speeds.insert(speeds.end(), measured.begin(), measured.end());
    }
    if (!as_json) {
        print(plan, speeds);
        return ok();
    }
    json::array rows;
    for (const Speed& s : speeds) rows.push_back(to_json(s));
    std::cout << json::serialize(json::object{{"model", manifest->name},
                                              {"quantization", manifest->quantization},
                                              {"prompt_tokens", plan.prompt},
                                              {"generated_tokens", plan.tokens},
                                              {"machine", machines},
                                              {"speeds", rows}})
              << "\n";
    return ok();
}

}  // namespace

int cmd_bench(const Arguments& args) {
    const auto status = run(args);
    return status ? 0 : fail(status.error());
}

}  // namespace gantry::cli
