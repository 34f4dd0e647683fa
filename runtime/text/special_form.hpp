#pragma once

/// What a tokenizer's post-processor puts around texts. Beside Tokenizer::encode, for those who cut texts before, or
/// have models read two of them together.

#include <cstdint>
#include <vector>

#include "runtime/text/tokenizer.hpp"

namespace gantry::text {

/// A token and the segment that it belongs to.
struct SegmentToken {
    int32_t id = 0;
    int32_t segment = 0;
    bool operator==(const SegmentToken&) const = default;
};

/// The special tokens around one text, and around two that are read together.
struct SpecialForm {
    std::vector<int32_t> before = {}, after = {};
    std::vector<SegmentToken> pair_before = {}, pair_between = {}, pair_after = {};
    int32_t first_segment = 0, second_segment = 1;  ///< of the two texts
};

/// Nothing for a tokenizer that is not one of Tokenizer::create().
SpecialForm special_form(const Tokenizer& tokenizer);

}  // namespace gantry::text
