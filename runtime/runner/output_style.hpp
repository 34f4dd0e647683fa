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

/// The JSON types (text::JsonType) that a parameter's schema names, here or where it refers to within `parameters`; 0
/// where it names none.
uint8_t parameter_types(const boost::json::value& schema, const boost::json::object& parameters);

/// Special tokens whose text is in a marker: a text without them would hide the markers. Sorted.
std::vector<int32_t> find_marker_tokens(const text::OutputFormat* format, const text::ReasoningTags& reasoning,
                                        const text::Tokenizer& tokenizer);

/// What a model would write to end its reasoning; `formed`: as far as the form of the answer does not say it.
std::string reasoning_stop(const text::OutputFormat* format, const text::ReasoningTags& reasoning, bool formed);

}  // namespace gantry::runner
