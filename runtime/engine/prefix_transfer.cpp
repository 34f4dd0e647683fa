#include "runtime/engine/prefix_transfer.hpp"

#include <algorithm>
#include <vector>

namespace gantry::engine {
namespace {

Status check_movable(const BlockManager& blocks, CausalModel& model) {
    if (model.limits().block_bytes == 0 || model.block_identity().empty()) {
        return Error{Code::kUnimplemented, "the model's plugin does not move KV blocks to and from host memory"};
    }
    if (!blocks.prefix_cache()) {
        return Error{Code::kFailedPrecondition, "the model has no prefix cache",
                     "launch it with scheduler.prefix_cache"};
    }
    return ok();
}

Status check_same_model(const PrefixArchive& archive, CausalModel& model) {
    const ModelLimits& limits = model.limits();
    if (archive.identity != model.block_identity() || archive.block_size != limits.block_size ||
        archive.block_bytes != limits.block_bytes) {
        return Error{Code::kFailedPrecondition, "the saved text belongs to another model, or to another KV cache of it",
                     "restore it where it was saved, launched with the same options"};
    }
    const bool known = std::ranges::all_of(
        archive.tokens, [&](int64_t token) { return token >= 0 && token < int64_t{limits.vocab_size}; });
    return known ? ok() : Status(Error{Code::kDataLoss, "the saved text has tokens that the model does not know"});
}

/// Holds a salt's root while it is used.
class HeldRoot {
  public:
    HeldRoot(BlockManager& blocks, std::string_view salt) : blocks_(blocks), root_(blocks.acquire_root(salt)) {}
    HeldRoot(const HeldRoot&) = delete;
    HeldRoot& operator=(const HeldRoot&) = delete;
    ~HeldRoot() { blocks_.release_root(root_); }
    PrefixRoot get() const { return root_; }

  private:
    BlockManager& blocks_;
    PrefixRoot root_;
};

}  // namespace

Result<PrefixArchive> export_prefix(BlockManager& blocks, CausalModel& model, std::span<const int32_t> tokens,
                                    std::string_view salt) {
    GANTRY_CHECK_OK(check_movable(blocks, model));
    const HeldRoot root(blocks, salt);
    std::vector<uint64_t> hashes;
    std::vector<BlockId> found;
    blocks.extend_hashes(root.get(), tokens, hashes);
    blocks.match(root.get(), tokens, hashes, found);
    if (found.empty()) {
        return Error{Code::kNotFound, "the prefix cache has no block of this text",
                     "answer it first; texts shorter than a block of " + std::to_string(blocks.block_size()) +
                         " tokens are not kept"};
    }
    PrefixArchive out;
    out.identity = model.block_identity();
    out.block_size = blocks.block_size();
    out.block_bytes = model.limits().block_bytes;
    out.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(found.size() * out.block_size));
    out.blocks.resize(found.size() * out.block_bytes);
    GANTRY_CHECK_OK(model.read_blocks(found, out.blocks.data()));
    return out;
}

Result<uint32_t> import_prefix(BlockManager& blocks, CausalModel& model, const PrefixArchive& archive,
                               std::string_view salt) {
    GANTRY_CHECK_OK(check_movable(blocks, model));
    GANTRY_CHECK_OK(check_same_model(archive, model));
    const HeldRoot root(blocks, salt);
    std::vector<uint64_t> hashes;
    std::vector<BlockId> table;
    blocks.extend_hashes(root.get(), archive.tokens, hashes);
    blocks.match(root.get(), archive.tokens, hashes, table);
    blocks.reference(table);
    const size_t known = table.size();
    while (table.size() < hashes.size()) {
        const auto block = blocks.allocate();
        if (!block) {
            break;
        }
        table.push_back(*block);
    }
    const std::span<const BlockId> fresh = std::span(table).subspan(known);
    const Status written =
        fresh.empty() ? ok() : model.write_blocks(fresh, archive.blocks.data() + known * archive.block_bytes);
    for (size_t i = known; written && i < table.size(); ++i) {
        const auto parent = i > 0 ? std::optional(table[i - 1]) : std::nullopt;
        const auto text = std::span(archive.tokens).subspan(i * archive.block_size, archive.block_size);
        table[i] = blocks.publish(root.get(), parent, table[i], text, hashes[i]);
    }
    blocks.release(table);
    if (!written) {
        return written.error();
    }
    return static_cast<uint32_t>(table.size() * archive.block_size);
}

}  // namespace gantry::engine
