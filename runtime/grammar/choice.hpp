#pragma once

/// A list of texts, of which an answer must be one.

#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"
#include "runtime/grammar/automaton.hpp"

namespace gantry::grammar {

/// kInvalidArgument for an empty list, one with an empty text in it, or more than 1 MiB of text.
Result<std::unique_ptr<Automaton>> choice_automaton(std::span<const std::string> choices);

}  // namespace gantry::grammar
