// What a core does beside its steps: prompts that are cut before they are taken, adapters that come and go.

#include <algorithm>
#include <utility>

#include "runtime/engine/core.hpp"
#include "runtime/engine/prefix_transfer.hpp"

namespace gantry::engine {

void EngineCore::truncate(EngineRequest& request) const {
    if (!request.params.truncate_prompt_tokens) {
        return;
    }
    const uint32_t answer = std::clamp(request.params.max_tokens.value_or(1), 1U, std::max(context_, 2U) - 1);
    const int32_t wanted = *request.params.truncate_prompt_tokens;
    const size_t keep = wanted > 0 ? static_cast<size_t>(wanted) : context_ - answer;
    if (wanted == 0 || wanted < -1 || request.prompt.size() <= keep) {
        return;  // check() refuses what makes no sense
    }
    request.truncated = request.prompt.size() - keep;
    request.prompt.erase(request.prompt.begin(),
                         request.prompt.begin() + static_cast<std::ptrdiff_t>(request.truncated));
    if (request.params.echo) {
        request.echo_text = tokenizer_->decode(request.prompt);
    }
}

Status EngineCore::load_adapter(const std::string& name, const Engine::AdapterLoad& load) {
    if (adapters_.contains(name)) {
        return Error{Code::kAlreadyExists, "an adapter '" + name + "' is loaded", "drop it first"};
    }
    if (broken_) {
        return *broken_;
    }
    GANTRY_TRY(const uint32_t id, load(*model_));
    adapters_.emplace(name, std::make_shared<Adapter>(Adapter{id}));
    return ok();
}

void EngineCore::drop_adapter(const std::string& name, Engine::AdapterDone done) {
    auto node = adapters_.extract(name);
    if (node.empty()) {
        done(Error{Code::kNotFound, "there is no adapter '" + name + "'"});
        return;
    }
    node.mapped()->dropped = std::move(done);
    unload_if_unused(*node.mapped());
}

void EngineCore::unload_if_unused(const Adapter& adapter) {
    if (adapter.users == 0 && adapter.dropped) {
        adapter.dropped(model_->drop_adapter(adapter.id));
    }
}

Result<PrefixArchive> EngineCore::export_prefix(std::span<const int32_t> tokens, const std::string& salt) {
    if (broken_) {
        return *broken_;
    }
    return engine::export_prefix(blocks_, *model_, tokens, block_salt(salt, 0));
}

Result<uint32_t> EngineCore::import_prefix(const PrefixArchive& archive, const std::string& salt) {
    if (broken_) {
        return *broken_;
    }
    return engine::import_prefix(blocks_, *model_, archive, block_salt(salt, 0));
}

}  // namespace gantry::engine
