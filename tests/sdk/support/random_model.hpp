#pragma once

/// A small Llama-shaped model with random weights of any file type: block types get random bytes whose scales make
/// weights of a sensible size, so that every bit pattern of the type is met.

#include "tests/sdk/support/test_model.hpp"

namespace gantry::test {

/// Widths are multiples of 256, so that K-quants fit. Norms are F32. The greatest logits are about 10.
/// `tied`: the output head is the embedding.
TestModel random_model(int32_t dtype, uint32_t seed, bool tied = false);

}  // namespace gantry::test
