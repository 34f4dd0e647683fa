// What a core does beside its steps: prompts that are cut before they are taken, requests that wait, adapters that come
// and go, texts that are saved and restored.

#include <algorithm>
#include <utility>

#include "runtime/engine/core.hpp"
#include "runtime/engine/core_request.hpp"
#include "runtime/engine/prefix_transfer.hpp"

namespace gantry::engine {
namespace {

/// How often those that wait may hear of it.
constexpr std::chrono::milliseconds kReportInterval{200};

}  // namespace

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

void EngineCore::queue(Request& r) {
    const GenerateRequest& params = r.spec.params;
    if (params.report_queue) {
        reporting_.insert(r.arrival);
    }
    if (!params.deadline_ms) {
        return;
    }
    r.deadline = r.submitted + std::chrono::milliseconds(*params.deadline_ms);
    deadlines_.add(r.arrival, *r.deadline);
    const SequenceId id = sequence_id(r, 0);
    const bool place = scheduler_.running() + scheduler_.waiting() <= scheduler_.limits().max_running;
    const size_t ahead = place ? 0 : scheduler_.ahead(id, r.submitted) + 1;
    if (auto error = hopeless(*r.deadline - r.submitted, load_, ahead, scheduler_.uncached(id))) {
        ++stats_.refused;
        fail(r, *error);
        deliver(r);
    }
}

void EngineCore::end_expired(Clock::time_point now) {
    for (const uint64_t arrival : deadlines_.expired(now)) {
        Request& r = *requests_.at(arrival);
        r.deadline.reset();
        ++stats_.expired;
        fail(r, deadline_passed(*r.spec.params.deadline_ms, r.completion_tokens));
    }
    deliver_all();
}

void EngineCore::report_queue(Clock::time_point now) {
    if (reporting_.empty() || now < next_report_) {
        return;
    }
    next_report_ = now + kReportInterval;
    for (const uint64_t arrival : reporting_) {
        Request& r = *requests_.at(arrival);
        const size_t ahead = scheduler_.ahead(sequence_id(r, 0), now);
        if (ahead + 1 != r.reported_position) {
            r.reported_position = ahead + 1;
            r.outbox.emplace_back(Queued{ahead + 1, load_.first_token_seconds(ahead + 1, r.spec.prompt.size())});
            touched_.push_back(arrival);
        }
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
    auto tokens = engine::import_prefix(blocks_, *model_, archive, block_salt(salt, 0));
    for (const Spill& spill : blocks_.take_spills()) {  // they are overwritten already
        blocks_.drop_from_host(spill.slot);
    }
    return tokens;
}

}  // namespace gantry::engine
