#pragma once

/// What the answer must look like: OpenAI's response_format, and vLLM's guided_* and structured_outputs.

#include "base/json.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::dialects::openai {

/// Reads the one that is given into request.grammar. Errors stay in the reader: wrong types, and more than one form.
/// Whether the schema or grammar itself is right is found by the runner that compiles it.
void read_grammar(json::Reader& reader, engine::GenerateRequest& request);

}  // namespace gantry::dialects::openai
