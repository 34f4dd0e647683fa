#include "api/dialects/routes.hpp"
#include "api/dialects/descriptions.hpp"
#include "api/dialects/encode/handlers.hpp"

namespace gantry::dialects {

namespace {

using api::Scope;

constexpr api::Route kRoutes[] = {
    {"POST", "/v1/embeddings", Scope::kInference, encode::embeddings, "Vectors of texts (OpenAI)"},
    {"POST", "/v1/embed", Scope::kInference, encode::cohere_embed_v1, "Vectors of texts (Cohere v1)"},
    {"POST", "/v2/embed", Scope::kInference, encode::cohere_embed_v2, "Vectors of texts (Cohere v2)"},
    {"POST", "/v1/rerank", Scope::kInference, encode::rerank,
     "Documents by what they say to a query (Jina, Cohere v1)"},
    {"POST", "/rerank", Scope::kInference, encode::rerank_with_documents, "The same, in vLLM's form"},
    {"POST", "/v2/rerank", Scope::kInference, encode::rerank_v2, "The same, in Cohere's form v2"},
    {"POST", "/v1/score", Scope::kInference, encode::score, "Scores of pairs of texts (vLLM)"},
    {"POST", "/score", Scope::kInference, encode::score, "Scores of pairs of texts (vLLM)"},
    {"POST", "/v1/classify", Scope::kInference, encode::classify, "Labels of texts (vLLM)"},
    {"POST", "/classify", Scope::kInference, encode::classify, "Labels of texts (vLLM)"},
    {"POST", "/v1/tokenize", Scope::kInference, encode::tokenize, "Tokens of a text or chat, and their count (vLLM)"},
    {"POST", "/tokenize", Scope::kInference, encode::tokenize, "Tokens of a text or chat, and their count (vLLM)"},
    {"POST", "/v1/detokenize", Scope::kInference, encode::detokenize, "The text of tokens (vLLM)"},
    {"POST", "/detokenize", Scope::kInference, encode::detokenize, "The text of tokens (vLLM)"},
    {"POST", "/v1/convert_ids_to_tokens", Scope::kInference, encode::convert_ids_to_tokens,
     "Tokens of ids (Xinference)"},
};

}  // namespace

api::RouteTable encode_routes() { return {kRoutes, encode_description()}; }

}  // namespace gantry::dialects
