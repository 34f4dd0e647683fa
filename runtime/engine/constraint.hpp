#pragma once

/// What the engine knows of structured output: which tokens an answer may go on with, and when it is complete.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.hpp"

namespace gantry::engine {

/// Follows one answer. Used on the engine's thread.
class TokenConstraint {
  public:
    virtual ~TokenConstraint() = default;

    /// The tokens that may come next, one bit an id, 32 a word, lowest bit first; without end tokens. Valid until the
    /// next call of any constraint. An error ends the request.
    virtual Result<std::span<const uint32_t>> allowed() = 0;
    /// Takes the next token of the answer, which is no end token.
    virtual Status accept(int32_t id) = 0;
    /// Takes back the last tokens that were accepted.
    virtual void rollback(size_t tokens) = 0;
    /// The answer so far is complete: it may end here.
    virtual bool can_end() = 0;
    /// It is complete, and no text may follow.
    virtual bool must_end() = 0;
    /// The tokens of the text that must come next, where only one is possible (jump-ahead); they are not accepted yet.
    virtual std::vector<int32_t> forced() = 0;
};

/// Makes the constraint of one answer. Called on the engine's thread, once for each of the n answers.
using TokenConstraintFactory = std::function<std::unique_ptr<TokenConstraint>()>;

/// The tokens that may be drawn next, in `scratch`: those of the constraint, and, if the answer `may_end` as far as
/// anybody else is concerned and its constraint agrees, `end_ids`. Empty where it can only end, though no end token
/// says so. kInvalidArgument where no token of the vocabulary leads on. O(vocab / 32).
Result<std::span<const uint32_t>> tokens_to_draw(TokenConstraint& constraint, std::span<const int32_t> end_ids,
                                                 bool may_end, size_t vocab, std::vector<uint32_t>& scratch);

}  // namespace gantry::engine
