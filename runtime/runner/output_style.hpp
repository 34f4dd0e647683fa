#pragma once

/// From a request's tools and a model's markers to what the engine needs to read answers.

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/text/output/parser.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::runner {

/// The functions of OpenAI's "tools", with the JSON types of their parameters.
std::vector<text::ToolInfo> tool_infos(const boost::json::array& tools);

/// Special tokens whose text is in a marker: a text without them would hide the markers. Sorted.
std::vector<int32_t> find_marker_tokens(const text::OutputFormat* format, const text::ReasoningTags& reasoning,
                                        const text::Tokenizer& tokenizer);

/// What a model would write to end its reasoning.
std::string reasoning_stop(const text::OutputFormat* format, const text::ReasoningTags& reasoning);

}  // namespace gantry::runner
