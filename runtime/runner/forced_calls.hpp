#pragma once

/// Makes a model call a function: what its answer must look like, as a structural tag.

#include <boost/json.hpp>
#include <string>

#include "base/result.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/text/output/format.hpp"

namespace gantry::runner {

/// The JSON text of a structural tag (see runtime/grammar/structural_tag.hpp): one call of `chat.tool_name`, or of any
/// of the tools where that is empty, as the format writes it. kInvalidArgument for formats that cannot be forced.
Result<std::string> forced_call(const text::OutputFormat* format, const engine::ChatInput& chat);

}  // namespace gantry::runner
