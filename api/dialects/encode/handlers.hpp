#pragma once

/// Handlers of the routes for models that encode texts, by what they are about.

#include "api/dialects/encode/fields.hpp"

namespace gantry::dialects::encode {

/// OpenAI's: {"model", "input": text, texts, token ids or lists of them, "encoding_format", "dimensions", "user"}.
/// Beside them Xinference's normalize_embeddings and prompt_name, vLLM's truncate_prompt_tokens and
/// add_special_tokens, and input_type.
Answer embeddings(api::Services& services, api::Exchange& exchange);

/// {"model", "query", "documents", "top_n", "return_documents"} as Xinference, Jina and Cohere's v1 have it.
Answer rerank(api::Services& services, api::Exchange& exchange);
/// The same as vLLM's /rerank: documents are always returned.
Answer rerank_with_documents(api::Services& services, api::Exchange& exchange);
/// Cohere's v2: no documents are returned, and what is too long is cut.
Answer rerank_v2(api::Services& services, api::Exchange& exchange);

/// Cohere's: {"model", "texts" or "inputs", "input_type", "embedding_types" (float, base64), "output_dimension",
/// "truncate"}. In v1 vectors stand under no name where no types are asked for.
Answer cohere_embed_v1(api::Services& services, api::Exchange& exchange);
Answer cohere_embed_v2(api::Services& services, api::Exchange& exchange);

/// vLLM's: {"model", "text_1", "text_2"}, one to one, one to many, or pairwise.
Answer score(api::Services& services, api::Exchange& exchange);
/// vLLM's: {"model", "input"}.
Answer classify(api::Services& services, api::Exchange& exchange);

/// vLLM's: {"model"?, "prompt" or "messages", "add_special_tokens"?, "return_token_strs"?}.
Answer tokenize(api::Services& services, api::Exchange& exchange);
/// vLLM's: {"model"?, "tokens"}.
Answer detokenize(api::Services& services, api::Exchange& exchange);
/// Xinference's: {"model", "input": ids or lists of ids}.
Answer convert_ids_to_tokens(api::Services& services, api::Exchange& exchange);

}  // namespace gantry::dialects::encode
