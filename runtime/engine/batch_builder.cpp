#include "runtime/engine/batch_builder.hpp"

#include <algorithm>
#include <utility>

namespace gantry::engine {

const gantry_batch_t& BatchBuilder::build(std::span<const StepItem> items, const Scheduler& scheduler,
                                          bool deterministic, size_t first_row) {
    token_ids_.clear();
    context_len_.clear();
    block_ids_.clear();
    logit_rows_.clear();
    adapter_ids_.clear();
    scales_.clear();
    token_begin_.assign(1, 0);
    block_begin_.assign(1, 0);
    for (const StepItem& item : items) {
        const ScheduledSequence& s = scheduler.at(item.id);
        const size_t end = size_t{item.context} + item.count;
        const size_t blocks = (end + item.draft.size() + block_size_ - 1) / block_size_;
        token_ids_.insert(token_ids_.end(), s.tokens.begin() + item.context,
                          s.tokens.begin() + static_cast<std::ptrdiff_t>(end));
        token_ids_.insert(token_ids_.end(), item.draft.tokens.begin(), item.draft.tokens.end());
        block_ids_.insert(block_ids_.end(), s.table.begin(), s.table.begin() + static_cast<std::ptrdiff_t>(blocks));
        for (uint32_t position = item.rows_begin; position < item.rows_end; ++position) {
            logit_rows_.push_back(token_begin_.back() + position - item.context);
        }
        token_begin_.push_back(static_cast<uint32_t>(token_ids_.size()));
        block_begin_.push_back(static_cast<uint32_t>(block_ids_.size()));
        context_len_.push_back(item.context);
        adapter_ids_.push_back(s.adapter);
        if (item.samples) {
            for (size_t back = item.draft.size() + 1; back > 0; --back) {
                logit_rows_.push_back(token_begin_.back() - static_cast<uint32_t>(back));
            }
        }
    }
    const size_t rows = first_row + logit_rows_.size();
    if (logits_.size() < rows * vocab_size_) {
        logits_.resize(rows * vocab_size_);
    }
    batch_ = {};
    batch_.struct_size = sizeof(batch_);
    batch_.sequence_count = static_cast<uint32_t>(items.size());
    batch_.token_count = static_cast<uint32_t>(token_ids_.size());
    batch_.logit_row_count = static_cast<uint32_t>(logit_rows_.size());
    batch_.token_ids = token_ids_.data();
    batch_.token_begin = token_begin_.data();
    batch_.context_len = context_len_.data();
    batch_.block_begin = block_begin_.data();
    batch_.block_ids = block_ids_.data();
    batch_.logit_rows = logit_rows_.data();
    batch_.logits = logits_.data() + first_row * vocab_size_;
    const bool adapted = std::ranges::any_of(adapter_ids_, [](uint32_t id) { return id != 0; });
    batch_.adapter_ids = adapted ? adapter_ids_.data() : nullptr;
    batch_.flags = deterministic ? uint32_t{GANTRY_BATCH_DETERMINISTIC} : 0u;
    if (!std::ranges::all_of(items, [](const StepItem& item) { return item.draft.is_chain(); })) {
        add_tree(items);
    }
    return batch_;
}

const gantry_batch_t& BatchBuilder::summarise(std::vector<float> scales) {
    scales_ = std::move(scales);
    if (scales_.empty()) {
        return batch_;  // prompts only
    }
    const size_t blocks = scales_.size() * logit_blocks(vocab_size_);
    if (peaks_.size() < blocks) {
        peaks_.resize(blocks);
        masses_.resize(blocks);
    }
    batch_.logit_peaks = peaks_.data();
    batch_.logit_masses = masses_.data();
    batch_.mass_scales = scales_.data();
    return batch_;
}

RowSummary BatchBuilder::summary(size_t i) const {
    if (i >= scales_.size()) {
        return {};
    }
    const size_t blocks = logit_blocks(vocab_size_);
    return {std::span(peaks_).subspan(i * blocks, blocks), std::span(masses_).subspan(i * blocks, blocks), scales_[i]};
}

void BatchBuilder::add_tree(std::span<const StepItem> items) {
    tree_parent_.clear();
    positions_.clear();
    for (const StepItem& item : items) {
        for (uint32_t t = 0; t < item.count; ++t) {
            tree_parent_.push_back(static_cast<int32_t>(t) - 1);
            positions_.push_back(item.context + t);
        }
        const uint32_t root = item.count - 1;
        for (size_t node = 0; node < item.draft.size(); ++node) {
            tree_parent_.push_back(item.draft.parents[node] + static_cast<int32_t>(item.count));
            positions_.push_back(item.context + root + item.draft.depth(node));
        }
    }
    batch_.tree_parent = tree_parent_.data();
    batch_.positions = positions_.data();
}

Status execute_apart(CausalModel& model, BatchBuilder& builder, const StepPlan& plan, const Scheduler& scheduler) {
    size_t row = 0;
    for (const StepItem& item : plan.items) {
        const uint32_t piece = scheduler.at(item.id).isolated ? 1 : item.count;
        for (uint32_t done = 0; done < item.count; done += piece) {
            StepItem part = item;
            part.context = item.context + done;
            part.count = piece;
            part.samples = item.samples && done + piece == item.count;
            part.rows_begin = std::clamp(item.rows_begin, part.context, part.context + piece);
            part.rows_end = std::clamp(item.rows_end, part.context, part.context + piece);
            GANTRY_CHECK_OK(model.execute(builder.build({&part, 1}, scheduler, false, row)));
            row += part.extra_rows() + (part.samples ? 1 : 0);
        }
    }
    return ok();
}

}  // namespace gantry::engine
