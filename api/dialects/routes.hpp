#pragma once

/// Everything that the server answers beyond its own health.

#include <vector>

#include "api/http/route.hpp"

namespace gantry::dialects {

/// /v1/chat/completions, /v1/completions.
api::RouteTable openai_routes();
/// Embeddings, rerank, score, classify and tokenize in the forms of OpenAI, Xinference, Jina, Cohere and vLLM.
api::RouteTable encode_routes();
/// Launching, listing and stopping in Xinference's forms; its lists carry OpenAI's fields too.
api::RouteTable xinference_routes();
/// /api/... as Ollama has them.
api::RouteTable ollama_routes();
/// /v1/messages, and /v1/models for requests with the header anthropic-version.
api::RouteTable anthropic_routes();
/// /v1/responses.
api::RouteTable responses_routes();
/// /gantry/v1/...: what no other dialect has words for.
api::RouteTable gantry_routes();

std::vector<api::RouteTable> all_routes();

}  // namespace gantry::dialects
