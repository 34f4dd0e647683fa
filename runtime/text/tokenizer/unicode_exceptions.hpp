#pragma once

#include <cstddef>

namespace gantry::text::tok {

/// Both ends belong to the range.
struct CodeRange {
    char32_t first, last;
};

/// Sorted; see unicode_exceptions.cpp.
extern const CodeRange kPunctuationDiffers[];
extern const size_t kPunctuationDiffersCount;
extern const CodeRange kControlDiffers[];
extern const size_t kControlDiffersCount;
extern const CodeRange kNonspacingDiffers[];
extern const size_t kNonspacingDiffersCount;
extern const CodeRange kMarkDiffers[];
extern const size_t kMarkDiffersCount;
extern const CodeRange kNormalizationNewer[];
extern const size_t kNormalizationNewerCount;

}  // namespace gantry::text::tok
