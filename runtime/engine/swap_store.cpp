#include "runtime/engine/swap_store.hpp"

#include <new>
#include <string>
#include <utility>

namespace gantry::engine {

Status SwapStore::save(uint64_t sequence, std::span<const uint32_t> blocks) {
    std::vector<std::byte> image;
    try {
        image.resize(blocks.size() * model_.limits().block_bytes);
    } catch (const std::bad_alloc&) {
        return Error{Code::kOutOfMemory, "no host memory for " + std::to_string(blocks.size()) + " KV blocks"};
    }
    GANTRY_CHECK_OK(model_.read_blocks(blocks, image.data()));
    images_.insert_or_assign(sequence, std::move(image));
    return ok();
}

Status SwapStore::restore(uint64_t sequence, size_t first, std::span<const uint32_t> blocks) {
    const auto node = images_.extract(sequence);
    if (blocks.empty()) {
        return ok();
    }
    const uint64_t each = model_.limits().block_bytes;
    if (node.empty() || node.mapped().size() < (first + blocks.size()) * each) {
        return Error{Code::kFailedPrecondition, "the blocks of a preempted sequence are not there"};
    }
    return model_.write_blocks(blocks, node.mapped().data() + first * each);
}

Status SwapStore::save_slot(uint32_t slot, uint32_t block) {
    try {
        slots_[slot].resize(model_.limits().block_bytes);
    } catch (const std::bad_alloc&) {
        return Error{Code::kOutOfMemory, "no host memory for a KV block"};
    }
    return model_.read_blocks({&block, 1}, slots_[slot].data());
}

Status SwapStore::restore_slot(uint32_t slot, uint32_t block) {
    const auto image = slots_.find(slot);
    if (image == slots_.end() || image->second.size() != model_.limits().block_bytes) {
        return Error{Code::kFailedPrecondition, "an evicted block is not there"};
    }
    return model_.write_blocks({&block, 1}, image->second.data());
}

}  // namespace gantry::engine
