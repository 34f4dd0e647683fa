#pragma once

/// A chat or completion as it was asked for, in the runtime's words.

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "api/http/api_error.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::dialects::openai {

struct Call {
    bool chat = true;
    std::string model;                              ///< the uid, or "uid:adapter", or an adapter's name
    std::string request_id;                         ///< by which it may be aborted; empty: the answer's id
    std::vector<engine::GenerateRequest> requests;  ///< one a prompt; a chat has one
    bool stream = false;
    bool include_usage = false;  ///< a chunk of its own for the usage
    bool logprobs = false;
    bool prompt_logprobs = false;  ///< of the prompt's tokens, in vLLM's form
    bool echo_logprobs = false;    ///< of the prompt's tokens, before the answer's
    bool timings = false;          ///< the answer is to say what its parts took
    bool tools = false;            ///< the model was told of tools
    std::string suffix;            ///< completions: the answer is to stand between the prompt and this
    std::vector<std::string> ignored;

    uint32_t answers_each() const { return static_cast<uint32_t>(requests.front().n); }
    uint32_t answers() const { return static_cast<uint32_t>(requests.size()) * answers_each(); }
};

/// Decodes POST /v1/chat/completions. What is not known is listed in `ignored`; what is known, unsupported and would
/// change the answer is refused.
api::ApiResult<Call> decode_chat(const boost::json::object& body);

/// Decodes POST /v1/completions: a prompt is a text, a list of texts, of token ids, or of lists of token ids.
api::ApiResult<Call> decode_completion(const boost::json::object& body);

}  // namespace gantry::dialects::openai
