#include "runtime/runner/draft_model.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "registry/registry.hpp"
#include "runtime/engine/model_drafter.hpp"
#include "runtime/plugins/memory_plan.hpp"

namespace gantry::runner {
namespace {

/// Guesses are token ids: they mean something only if both models have the same ones.
Status check_vocabulary(const text::Tokenizer& large, const text::Tokenizer& small) {
    const size_t common = std::min(large.vocab_size(), small.vocab_size());
    size_t id = 0;
    while (id < common && large.id_to_token(static_cast<int32_t>(id)) == small.id_to_token(static_cast<int32_t>(id))) {
        ++id;
    }
    // Fillers at the end, which make a vocabulary's size even, may be missing from one of them.
    if (id == common && std::max(large.vocab_size(), small.vocab_size()) - common < 1024) {
        return ok();
    }
    return Error{Code::kInvalidArgument,
                 "its vocabulary is another one: " + std::to_string(small.vocab_size()) + " tokens against " +
                     std::to_string(large.vocab_size()) + ", the first difference at token " + std::to_string(id),
                 "choose a draft model of the same family"};
}

}  // namespace

Result<std::shared_ptr<engine::Drafter>> load_draft_model(const RunnerSpec& spec, const LoadedModel& loaded,
                                                          const plugins::LoadProgress& progress) {
    GANTRY_TRY(registry::ModelManifest read, registry::load_manifest(spec.draft_model_path));
    const auto manifest = std::make_shared<const registry::ModelManifest>(std::move(read));
    GANTRY_TRY(const auto tokenizer, text::Tokenizer::create(manifest->tokenizer));
    GANTRY_CHECK_OK(check_vocabulary(*loaded.tokenizer, *tokenizer));

    const engine::ModelLimits& large = loaded.model->limits();
    plugins::LoadSpec load;
    load.max_sequences = large.max_sequences;
    load.max_step_tokens = large.max_step_tokens;
    load.max_logit_rows = large.max_sequences;
    load.max_context = spec.draft_context;
    load.options = spec.options;
    GANTRY_TRY(const plugins::Assessment assessment, loaded.backend->assess(*manifest, load));
    plugins::MemoryWish wish;
    wish.context = spec.draft_context != 0 ? std::optional(spec.draft_context) : std::nullopt;
    wish.max_sequences = load.max_sequences;
    wish.available = spec.draft_memory_bytes != 0 ? spec.draft_memory_bytes : uint64_t{1} << 62;
    // plan_memory counts a process, which is there already.
    wish.available += loaded.memory.process;
    GANTRY_TRY(const plugins::MemoryPlan memory, plugins::plan_memory(assessment, wish));
    load.block_size = assessment.block_size;
    load.block_count = memory.block_count;
    load.max_context = memory.context;
    std::string plan;
    GANTRY_TRY(auto model, loaded.backend->load_causal(manifest, load, progress, plan));
    log::info("draft model {}: {}; memory {}", manifest->name, plan, memory.sum());
    return std::shared_ptr<engine::Drafter>(std::make_shared<engine::ModelDrafter>(std::move(model), large.vocab_size));
}

}  // namespace gantry::runner
