#include <gantry/transformer/batch.hpp>

#include <algorithm>
#include <string>

#include <gantry/cpp/error.hpp>

namespace gantry::transformer {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, "batch: " + what); }

void need(const void* pointer, const char* name) {
    if (pointer == nullptr) refuse(std::string(name) + " is NULL");
}

void at_most(uint64_t value, uint64_t limit, const char* name, const char* limit_name) {
    if (value > limit) {
        refuse(std::string(name) + " is " + std::to_string(value) + ", more than " + limit_name + " (" +
               std::to_string(limit) + ")");
    }
}

std::string at(const char* what, uint64_t index) { return std::string(what) + " " + std::to_string(index); }

}  // namespace

BatchChecker::BatchChecker(const BatchLimits& limits)
    : limits_(limits),
      ids_(limits.max_step_tokens),
      positions_(limits.max_step_tokens),
      slots_(limits.max_step_tokens),
      written_(limits.block_count) {}

CheckedBatch BatchChecker::check(const gantry_batch_t& b) {
    check_sizes(b);
    check_offsets(b);
    check_logit_rows(b);
    if (b.tree_parent != nullptr) check_tree(b);
    place_tokens(b);
    take_ids(b);

    CheckedBatch out;
    out.step.token_begin = {b.token_begin, b.sequence_count + 1};
    out.step.context_len = {b.context_len, b.sequence_count};
    out.step.block_begin = {b.block_begin, b.sequence_count + 1};
    out.step.block_ids = {b.block_ids, b.block_begin[b.sequence_count]};
    out.step.positions = {positions_.data(), b.token_count};
    out.step.slots = {slots_.data(), b.token_count};
    if (b.tree_parent != nullptr) out.step.tree_parent = {b.tree_parent, b.token_count};
    out.step.deterministic = (b.flags & GANTRY_BATCH_DETERMINISTIC) != 0;
    out.token_ids = {ids_.data(), b.token_count};
    out.logit_rows = {b.logit_rows, b.logit_row_count};
    out.embedding_rows = {b.embedding_rows, b.embedding_count};
    if (b.adapter_ids != nullptr) out.adapter_ids = {b.adapter_ids, b.sequence_count};
    out.embeddings = b.embeddings;
    out.logits = b.logits;
    out.hidden = b.hidden;
    out.summary = {b.logit_peaks, b.logit_masses, b.mass_scales};
    return out;
}

void BatchChecker::check_sizes(const gantry_batch_t& b) const {
    if (b.sequence_count == 0 || b.token_count == 0) refuse("it is empty");
    at_most(b.sequence_count, limits_.max_sequences, "sequence_count", "max_sequences");
    at_most(b.token_count, limits_.max_step_tokens, "token_count", "max_step_tokens");
    at_most(b.logit_row_count, limits_.max_logit_rows, "logit_row_count", "max_logit_rows");
    need(b.token_ids, "token_ids");
    need(b.token_begin, "token_begin");
    need(b.context_len, "context_len");
    need(b.block_begin, "block_begin");
    need(b.block_ids, "block_ids");
    if (b.logit_row_count != 0) {
        need(b.logit_rows, "logit_rows");
        if (b.logits == nullptr && b.hidden == nullptr) {
            refuse("logits is NULL and so is hidden; this model has no gantry.sampler to keep logits for");
        }
    }
    if (b.logit_peaks != nullptr) {
        need(b.logits, "logits");
        need(b.logit_masses, "logit_masses");
        need(b.mass_scales, "mass_scales");
    }
    if (b.embedding_count != 0) {
        need(b.embeddings, "embeddings");
        need(b.embedding_rows, "embedding_rows");
    }
    if ((b.flags & ~static_cast<uint32_t>(GANTRY_BATCH_DETERMINISTIC)) != 0) {
        throw sdk::Error(GANTRY_ERR_UNIMPLEMENTED, "batch: flags has unknown bits: " + std::to_string(b.flags));
    }
    if ((b.flags & GANTRY_BATCH_DETERMINISTIC) != 0 && !limits_.deterministic) {
        throw sdk::Error(GANTRY_ERR_UNIMPLEMENTED, "batch: this model cannot keep GANTRY_BATCH_DETERMINISTIC");
    }
}

void BatchChecker::check_offsets(const gantry_batch_t& b) const {
    if (b.token_begin[0] != 0) refuse("token_begin[0] is " + std::to_string(b.token_begin[0]) + ", not 0");
    if (b.block_begin[0] != 0) refuse("block_begin[0] is " + std::to_string(b.block_begin[0]) + ", not 0");
    for (uint32_t s = 0; s < b.sequence_count; ++s) {
        const uint32_t begin = b.token_begin[s];
        const uint32_t end = b.token_begin[s + 1];
        if (end <= begin || end > b.token_count) {
            refuse(at("sequence", s) + " has the token range " + std::to_string(begin) + " to " + std::to_string(end) +
                   " of " + std::to_string(b.token_count) + " tokens");
        }
        const uint64_t length = static_cast<uint64_t>(b.context_len[s]) + (end - begin);
        if (length > limits_.max_context) {
            refuse(at("sequence", s) + " would have " + std::to_string(length) + " tokens, more than max_context (" +
                   std::to_string(limits_.max_context) + ")");
        }
        if (b.block_begin[s + 1] < b.block_begin[s]) refuse("block_begin falls at " + at("sequence", s));
        const uint64_t blocks = b.block_begin[s + 1] - b.block_begin[s];
        const uint64_t needed = (length + limits_.block_size - 1) / limits_.block_size;
        if (blocks < needed) {
            refuse(at("sequence", s) + " has " + std::to_string(blocks) + " blocks, " + std::to_string(needed) +
                   " needed for " + std::to_string(length) + " tokens");
        }
    }
    if (b.token_begin[b.sequence_count] != b.token_count) {
        refuse("token_begin ends at " + std::to_string(b.token_begin[b.sequence_count]) + ", not at token_count (" +
               std::to_string(b.token_count) + ")");
    }
}

void BatchChecker::check_logit_rows(const gantry_batch_t& b) const {
    for (uint32_t i = 0; i < b.logit_row_count; ++i) {
        if (b.logit_rows[i] >= b.token_count || (i > 0 && b.logit_rows[i] <= b.logit_rows[i - 1])) {
            refuse(at("logit_rows", i) + " is " + std::to_string(b.logit_rows[i]) +
                   "; rows ascend and are below token_count (" + std::to_string(b.token_count) + ")");
        }
    }
}

void BatchChecker::check_tree(const gantry_batch_t& b) const {
    for (uint32_t s = 0; s < b.sequence_count; ++s) {
        for (uint32_t t = b.token_begin[s]; t < b.token_begin[s + 1]; ++t) {
            const auto own = static_cast<int32_t>(t - b.token_begin[s]);
            if (b.tree_parent[t] < -1 || b.tree_parent[t] >= own) {
                refuse(at("tree_parent", t) + " is " + std::to_string(b.tree_parent[t]) +
                       "; a parent is -1 or an earlier token of its sequence (below " + std::to_string(own) + ")");
            }
        }
    }
}

// Finds each token's slot and position. Two sequences that write to one block would overwrite each other: every
// written block is stamped with its table entry's number, and a second entry that meets the stamp is refused.
void BatchChecker::place_tokens(const gantry_batch_t& b) {
    const uint64_t first_stamp = stamp_ + 1;
    for (uint32_t s = 0; s < b.sequence_count; ++s) {
        const uint32_t* table = b.block_ids + b.block_begin[s];
        const uint32_t blocks = b.block_begin[s + 1] - b.block_begin[s];
        for (uint32_t i = 0; i < blocks; ++i) {
            if (table[i] >= limits_.block_count) {
                refuse(at("sequence", s) + " names block " + std::to_string(table[i]) + " of " +
                       std::to_string(limits_.block_count));
            }
        }
        uint32_t entry = UINT32_MAX;
        for (uint32_t t = b.token_begin[s]; t < b.token_begin[s + 1]; ++t) {
            const uint32_t slot = b.context_len[s] + (t - b.token_begin[s]);
            const uint32_t block = table[slot / limits_.block_size];
            if (slot / limits_.block_size != entry) {
                entry = slot / limits_.block_size;
                if (written_[block] >= first_stamp) {
                    refuse(at("sequence", s) + " writes to block " + std::to_string(block) +
                           ", which another sequence or entry of the batch writes too");
                }
                written_[block] = ++stamp_;
            }
            slots_[t] = block * limits_.block_size + slot % limits_.block_size;
            positions_[t] = b.positions != nullptr ? b.positions[t] : slot;
            if (positions_[t] >= limits_.max_context) {
                refuse(at("token", t) + " has the position " + std::to_string(positions_[t]) +
                       ", not below max_context (" + std::to_string(limits_.max_context) + ")");
            }
        }
    }
}

void BatchChecker::take_ids(const gantry_batch_t& b) {
    std::copy_n(b.token_ids, b.token_count, ids_.begin());
    for (uint32_t i = 0; i < b.embedding_count; ++i) {
        if (b.embedding_rows[i] >= b.token_count) {
            refuse(at("embedding_rows", i) + " is " + std::to_string(b.embedding_rows[i]) +
                   ", not below token_count (" + std::to_string(b.token_count) + ")");
        }
        ids_[b.embedding_rows[i]] = 0;
    }
    for (uint32_t t = 0; t < b.token_count; ++t) {
        if (ids_[t] < 0 || static_cast<uint32_t>(ids_[t]) >= limits_.vocab_size) {
            refuse(at("token", t) + " has the id " + std::to_string(ids_[t]) + ", not within 0 to " +
                   std::to_string(limits_.vocab_size - 1));
        }
    }
}

}  // namespace gantry::transformer
