#pragma once

/// What /openapi.json says of each dialect's routes: JSON in the form that api/http/openapi.hpp explains. Each text
/// lies beside its route table; a test walks the tables, so that no route lacks its description.

#include <string_view>

namespace gantry::dialects {

std::string_view openai_description();
std::string_view encode_description();
std::string_view xinference_description();
std::string_view ollama_description();
std::string_view anthropic_description();
std::string_view responses_description();
std::string_view gantry_description();

}  // namespace gantry::dialects
