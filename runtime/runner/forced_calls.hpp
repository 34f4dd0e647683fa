#pragma once

/// Which answers are calls of a request's functions, as a model's format writes them: a form for the engine to enforce.

#include <boost/json.hpp>

#include "base/result.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/text/output/format.hpp"

namespace gantry::runner {

enum class CallUse : uint8_t {
    kOnly,   ///< the answer is calls and nothing else; all arguments keep to their schemas
    kAmong,  ///< the answer is free; a call that it begins is well formed, and its arguments, if the tool is strict,
             ///< keep to their schema
};

/// A structural tag's "format" (see runtime/grammar/structural_tag.hpp) with calls of `chat.tool_name`, or of any of
/// the tools where that is empty; one call where the request wants no more. kInvalidArgument where no format is known.
Result<boost::json::object> calls_format(const text::OutputFormat* format, const engine::ChatInput& chat, CallUse use);

}  // namespace gantry::runner
