#include "runtime/engine/model_drafter.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace gantry::engine {

ModelDrafter::ModelDrafter(std::unique_ptr<CausalModel> model, uint32_t vocab_size)
    : model_(std::move(model)), vocab_size_(vocab_size) {
    for (auto block = static_cast<uint32_t>(model_->limits().block_count); block-- > 0;) {
        free_.push_back(block);
    }
}

void ModelDrafter::begin(SequenceId id, std::span<const int32_t> /*hint*/, std::span<const int32_t> tokens) {
    end(id);
    sequences_[id].tokens.assign(tokens.begin(), tokens.end());
}

void ModelDrafter::append(SequenceId id, std::span<const int32_t> tokens) {
    auto& known = sequences_.at(id).tokens;
    known.insert(known.end(), tokens.begin(), tokens.end());
}

void ModelDrafter::end(SequenceId id) {
    const auto it = sequences_.find(id);
    if (it != sequences_.end()) {
        free_.insert(free_.end(), it->second.table.begin(), it->second.table.end());
        sequences_.erase(it);
    }
}

int32_t ModelDrafter::token_at(const Job& job, size_t i) {
    const auto& tokens = job.sequence->tokens;
    return i < tokens.size() ? tokens[i] : job.request->draft.tokens[i - tokens.size()];
}

size_t ModelDrafter::length(const Job& job) { return job.sequence->tokens.size() + job.request->draft.size(); }

void ModelDrafter::propose(std::span<DraftRequest> requests) {
    if (broken_) {
        return;
    }
    ++proposals_;
    std::vector<Job> jobs;
    for (DraftRequest& request : requests) {
        Sequence& s = sequences_.at(request.id);
        s.used = proposals_;
        const auto wrong = std::ranges::mismatch(s.filled, s.tokens).in1;
        s.filled.erase(wrong, s.filled.end());
        s.filled.resize(std::min(s.filled.size(), s.tokens.size() - 1));  // the last one's logits are wanted
        jobs.push_back({&request, &s});
    }
    for (bool first = true; !jobs.empty(); first = false) {
        plan(jobs);
        if (jobs.empty() || !step(jobs)) {
            return;
        }
        std::erase_if(jobs, [&](const Job& job) {
            const bool behind = length(job) > job.sequence->filled.size() + 1;
            return (first && behind) || job.request->draft.size() >= job.request->max_tokens;
        });
    }
}

void ModelDrafter::plan(std::vector<Job>& jobs) {
    const ModelLimits& limits = model_->limits();
    uint32_t budget = limits.max_step_tokens;
    uint32_t places = std::min(limits.max_sequences, limits.max_logit_rows);
    std::erase_if(jobs, [&](Job& job) {
        Sequence& s = *job.sequence;
        const size_t pending = length(job) - s.filled.size();
        job.count = static_cast<uint32_t>(std::min<size_t>(pending, budget));
        if (job.count == 0 || places == 0 || length(job) > limits.max_context ||
            !make_room(s, s.filled.size() + job.count)) {
            return true;
        }
        budget -= job.count;
        --places;
        return false;
    });
}

bool ModelDrafter::make_room(Sequence& sequence, size_t tokens) {
    const uint32_t block_size = model_->limits().block_size;
    const size_t wanted = (tokens + block_size - 1) / block_size;
    while (sequence.table.size() < wanted) {
        if (free_.empty()) {
            Sequence* oldest = nullptr;
            for (auto& [id, s] : sequences_) {
                if (!s.table.empty() && s.used != proposals_ && (oldest == nullptr || s.used < oldest->used)) {
                    oldest = &s;
                }
            }
            if (oldest == nullptr) {
                return false;
            }
            free_.swap(oldest->table);
            oldest->filled.clear();
        }
        sequence.table.push_back(free_.back());
        free_.pop_back();
    }
    return true;
}

bool ModelDrafter::step(std::vector<Job>& jobs) {
    std::vector<int32_t> tokens;
    std::vector<uint32_t> token_begin{0}, context_len, block_begin{0}, block_ids, rows;
    for (const Job& job : jobs) {
        Sequence& s = *job.sequence;
        context_len.push_back(static_cast<uint32_t>(s.filled.size()));
        for (uint32_t i = 0; i < job.count; ++i) {
            s.filled.push_back(token_at(job, s.filled.size()));
            tokens.push_back(s.filled.back());
        }
        block_ids.insert(block_ids.end(), s.table.begin(), s.table.end());
        token_begin.push_back(static_cast<uint32_t>(tokens.size()));
        block_begin.push_back(static_cast<uint32_t>(block_ids.size()));
        if (s.filled.size() == length(job)) {
            rows.push_back(token_begin.back() - 1);
        }
    }
    const uint32_t vocab = model_->limits().vocab_size;
    logits_.resize(std::max(logits_.size(), rows.size() * vocab));
    gantry_batch_t batch{};
    batch.struct_size = sizeof(batch);
    batch.sequence_count = static_cast<uint32_t>(jobs.size());
    batch.token_count = token_begin.back();
    batch.logit_row_count = static_cast<uint32_t>(rows.size());
    batch.token_ids = tokens.data();
    batch.token_begin = token_begin.data();
    batch.context_len = context_len.data();
    batch.block_begin = block_begin.data();
    batch.block_ids = block_ids.data();
    batch.logit_rows = rows.data();
    batch.logits = logits_.data();
    if (const Status status = model_->execute(batch); !status) {
        log::warn("the draft model has failed and is used no more: {}", status.error().message);
        broken_ = true;
        return false;
    }
    size_t row = 0;
    for (Job& job : jobs) {
        if (job.sequence->filled.size() == length(job)) {
            const auto begin = logits_.begin() + static_cast<std::ptrdiff_t>(row++ * vocab);
            const auto best =
                std::max_element(begin, begin + static_cast<std::ptrdiff_t>(std::min(vocab, vocab_size_)));
            DraftTree& draft = job.request->draft;
            draft.add(static_cast<int32_t>(draft.size()) - 1, static_cast<int32_t>(best - begin));
        }
    }
    return true;
}

}  // namespace gantry::engine
