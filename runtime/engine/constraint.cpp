#include "runtime/engine/constraint.hpp"

#include <algorithm>

namespace gantry::engine {

Result<std::span<const uint32_t>> tokens_to_draw(TokenConstraint& constraint, std::span<const int32_t> end_ids,
                                                 bool may_end, size_t vocab, std::vector<uint32_t>& scratch) {
    GANTRY_TRY(const std::span<const uint32_t> text, constraint.allowed());
    const size_t words = (vocab + 31) / 32;
    scratch.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(text.size(), words)));
    scratch.resize(words);
    if (vocab % 32 != 0) {
        scratch.back() &= (uint32_t{1} << (vocab % 32)) - 1;
    }
    const bool can_end = constraint.can_end();
    for (const int32_t id : end_ids) {
        if (can_end && may_end && id >= 0 && static_cast<size_t>(id) < vocab) {
            scratch[static_cast<size_t>(id) / 32] |= uint32_t{1} << (id % 32);
        }
    }
    if (std::ranges::any_of(scratch, [](uint32_t word) { return word != 0; })) {
        return std::span<const uint32_t>(scratch);
    }
    if (can_end) {
        return std::span<const uint32_t>();
    }
    return Error{Code::kInvalidArgument,
                 "the grammar excludes every token: the model's vocabulary cannot spell what must come next",
                 "allow other characters there"};
}

}  // namespace gantry::engine
