#pragma once

/// Fields that chats and completions share.

#include "api/dialects/openai/call.hpp"
#include "base/json.hpp"

namespace gantry::dialects::openai {

/// Model, sampling, lengths, stops, streaming. Errors stay in the reader.
void read_common(json::Reader& reader, Call& call, engine::GenerateRequest& request);

/// Fails on fields that we know, cannot honour, and that would change the answer.
void refuse_unsupported(json::Reader& reader);

}  // namespace gantry::dialects::openai
