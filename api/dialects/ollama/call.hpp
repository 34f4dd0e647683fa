#pragma once

/// A generation or chat as Ollama's clients ask for it, in the runtime's words.

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "api/http/api_error.hpp"
#include "base/json.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::dialects::ollama {

/// How long a model stays after its last request; negative: for ever.
using KeepAlive = std::optional<std::chrono::seconds>;

/// What a name stands for.
struct Target {
    std::string name;  ///< as asked for, and as answers say it
    std::string uid;   ///< of the model that is launched or to be launched
    /// "uid", or "uid:adapter": what requests are sent to.
    std::string route;
    std::optional<fleet::LaunchRequest> launch;  ///< set: a first request launches it so, unless it is there
};

struct Call {
    bool chat = false;
    bool stream = true;
    bool load_only = false;  ///< nothing to answer: the model is to be loaded, or with a keep_alive of 0 to be stopped
    bool give_context = false;  ///< the answer is to have "context", the ids so far
    bool logprobs = false;
    bool needs_thinking = false;  ///< an error where the model cannot think
    KeepAlive keep_alive;
    std::optional<uint32_t> num_ctx, num_thread;  ///< of a launch that the request causes
    std::string suffix;                           ///< the answer is to stand between the prompt and this
    std::vector<int32_t> context;                 ///< ids that come before the prompt
    engine::GenerateRequest request;
    std::vector<std::string> ignored;
};

/// Decodes POST /api/generate. A prompt becomes a chat of one message; the handler makes it plain text where the model
/// cannot chat.
api::ApiResult<Call> decode_generate(const boost::json::object& body);

/// Decodes POST /api/chat.
api::ApiResult<Call> decode_chat(const boost::json::object& body);

/// Go's durations ("5m", "1h30m", "300ms") and numbers of seconds, as text too; nullopt where absent. Rounded up to
/// whole seconds, so that only 0 means at once.
KeepAlive read_keep_alive(json::Reader& reader);

/// "options": sampling, lengths, stops; num_ctx and num_thread go into the call.
void read_options(json::Reader& reader, Call& call);

/// "format": "json" or a schema; "think": a boolean or "low", "medium", "high"; "logprobs", "top_logprobs".
void read_answer_form(json::Reader& reader, Call& call, engine::ChatInput& input);

/// The model that a request names; "name" is the older word for it.
api::ApiResult<std::string> model_name(const boost::json::object& body);

/// An object member as text; empty where it is none.
std::string text_member(const boost::json::object& object, std::string_view name);

}  // namespace gantry::dialects::ollama
