#pragma once

/// Answers in OpenAI's forms, whole and in pieces.

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/dialects/openai/call.hpp"

namespace gantry::dialects::openai {

/// What all parts of one answer share.
struct AnswerHead {
    std::string id;   ///< "chatcmpl-..." or "cmpl-..."
    int64_t created;  ///< Unix seconds
    std::string model;
};

/// One whole answer of the several that a call may ask for.
struct Answer {
    std::string text, reasoning;
    std::vector<engine::ToolCallDelta> tool_calls;  ///< by their number
    std::vector<engine::TokenLogprob> logprobs;
    std::vector<engine::TokenLogprob> prompt;  ///< where asked for
    engine::FinishReason reason = engine::FinishReason::kStop;
    std::string tool_error;

    void add(engine::Delta delta);
};

/// A token's bytes as text; what is no UTF-8 becomes "bytes:\xe2\x80", as OpenAI writes it.
std::string token_text(const std::string& bytes);

boost::json::object usage_object(const engine::Usage& usage);
/// What an answer's parts took, in milliseconds; the names are those of llama.cpp's server where it has them.
boost::json::object timings_object(const engine::Usage& usage);
/// vLLM's form: [null, {"id": {"logprob", "rank", "decoded_token"}, ...}, ...]; a rank is null where it is below the
/// alternatives asked for.
boost::json::array prompt_logprobs(const std::vector<engine::TokenLogprob>& tokens);
/// Chat: {"content": [...]}; completions: parallel lists, offsets counted from `text_offset` in characters.
boost::json::object chat_logprobs(const std::vector<engine::TokenLogprob>& tokens);
boost::json::object completion_logprobs(const std::vector<engine::TokenLogprob>& tokens, size_t text_offset);

/// The whole response body.
boost::json::object render_whole(const Call& call, const AnswerHead& head, const std::vector<Answer>& answers,
                                 const engine::Usage& usage);

/// Turns events into server-sent events, "data: {...}\n\n". Index counts over all prompts.
class ChunkWriter {
  public:
    ChunkWriter(const Call& call, AnswerHead head);

    /// The prompt's logprobs, which go out with the first delta of each of its answers.
    void prompt(uint32_t first_index, uint32_t answers, const std::vector<engine::TokenLogprob>& tokens);
    /// Appends nothing when there is nothing to say. The first of an index carries the role.
    void delta(uint32_t index, const engine::Delta& delta, std::string& out);
    /// The finishing chunk; with the usage where it is the last.
    std::string finish(uint32_t index, const engine::Finish& finish, const engine::Usage* usage);
    /// The chunk of stream_options.include_usage.
    std::string usage(const engine::Usage& usage);
    /// The chunk of stream_options.include_queue: no choices, but "queue".
    std::string queued(const engine::Queued& queued) const;
    static std::string error(const Error& error);
    static std::string done() { return "data: [DONE]\n\n"; }

  private:
    bool plain_delta(uint32_t index, const engine::Delta& delta, std::string& out);
    std::string chunk(uint32_t index, std::string_view body, std::string_view logprobs, std::string_view finish,
                      const engine::Usage* usage, std::string_view tool_error = {}) const;

    bool chat_;
    bool logprobs_;
    bool timings_;
    std::string prefix_;              ///< up to the choices
    std::vector<std::string> heads_;  ///< by index: of a chunk with nothing but text, up to the text
    std::string_view tail_;           ///< what comes behind the text
    std::vector<bool> role_sent_;
    std::vector<size_t> text_offset_;
    std::vector<std::vector<engine::TokenLogprob>> prompt_;
};

}  // namespace gantry::dialects::openai
