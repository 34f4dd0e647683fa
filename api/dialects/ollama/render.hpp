#pragma once

/// Answers in Ollama's forms: one line of JSON a piece, or one object.

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/dialects/ollama/call.hpp"
#include "base/http/types.hpp"

namespace gantry::dialects::ollama {

/// "2024-07-01T12:00:00.123456Z".
std::string time_text(std::chrono::system_clock::time_point time);

/// {"error": message with its hint}.
boost::json::object error_body(const Error& error);
/// An api::ErrorForm.
http::Response error_response(const api::ApiError& error, const std::string& request_id);

/// What a request took beside what its usage says.
struct Took {
    std::chrono::nanoseconds total{0}, load{0};
};

/// The answer of a request that had nothing to answer: `reason` is "load" or "unload".
boost::json::object load_answer(const Call& call, const std::string& model, std::string_view reason);

/// Turns events into lines, or gathers them for the one answer. Calls of functions are given out whole.
class AnswerWriter {
  public:
    AnswerWriter(const Call& call, std::string model, std::vector<int32_t> prompt_ids);

    /// Takes a Delta or Finish; where the call streams, appends the lines to send.
    void take(const engine::Event& event, std::string& out);
    /// The last line, or the whole answer.
    std::string last(const engine::Usage& usage, const Took& took);

  private:
    struct Piece {
        std::string text, thinking;
        boost::json::array calls, logprobs;
        bool empty() const { return text.empty() && thinking.empty() && calls.empty() && logprobs.empty(); }
    };
    void add_calls(const engine::Delta& delta);
    void close_call();
    void append(const Piece& piece, std::string_view tail, std::string& out) const;

    bool chat_, stream_, give_context_, logprobs_;
    std::string model_;                          ///< as JSON text
    Piece piece_;                                ///< what has not been sent
    std::optional<engine::ToolCallDelta> open_;  ///< the call that is being written
    std::vector<int32_t> ids_;
    engine::FinishReason reason_ = engine::FinishReason::kStop;
};

}  // namespace gantry::dialects::ollama
