#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "runtime/engine/engine.hpp"
#include "runtime/engine/ngram_drafter.hpp"
#include "runtime/engine/suffix_drafter.hpp"

namespace gantry::engine {

/// The drafters that an engine has. Used by one thread.
class Drafters {
  public:
    explicit Drafters(std::shared_ptr<Drafter> own) : own_(std::move(own)) {}

    /// The one for a request that asks for `wanted`, else `usual`; none: nothing is drafted. `predicted`: the request
    /// brings a text that its answer is likely to quote.
    Drafter* choose(std::optional<DraftSource> wanted, DraftSource usual, bool predicted);

  private:
    std::shared_ptr<Drafter> own_;  ///< may be null
    NgramDrafter ngram_;
    SuffixDrafter suffix_;
};

}  // namespace gantry::engine
