#pragma once

/// From what a client says to the tokens that the engine gets.

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/manifest.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/runner/grammars.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::runner {

/// A model's tokenizer, templates and compiled grammars. Any thread.
class Prompter {
  public:
    /// A template that does not compile, or refuses a plain "Hello", is no reason to refuse the model: chats get the
    /// error, everything else works.
    Prompter(const registry::ModelManifest& manifest, std::shared_ptr<const text::Tokenizer> tokenizer);

    /// Why chats cannot be served; empty where they can.
    const std::optional<Error>& chat_error() const { return chat_error_; }
    const text::Tokenizer& tokenizer() const { return *tokenizer_; }

    /// Tokenises, and for a chat renders first; compiles the grammar, which may take long. Errors are the client's
    /// (kInvalidArgument) or chat_error().
    Result<engine::EngineRequest> prepare(engine::GenerateRequest request) const;

    /// The chat as the model sees it.
    Result<std::string> render(const engine::ChatInput& chat) const;

    /// What `gantry template` shows: all members of `body` but "template" and "now" are variables of the template.
    Result<std::string> render_debug(const boost::json::object& body) const;

  private:
    Result<std::string> render_with(const text::ChatTemplate& chat_template, boost::json::object variables,
                                    std::optional<std::chrono::sys_seconds> now) const;
    const text::ChatTemplate* choose(bool has_tools) const;

    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::string bos_token_, eos_token_;
    std::shared_ptr<Grammars> grammars_;
    std::optional<text::ChatTemplate> template_, tool_template_;
    std::optional<Error> chat_error_;
};

/// Bytes of text that a request asks to tokenise: what decides whether that is done on the io thread.
size_t text_bytes(const engine::GenerateRequest& request);

}  // namespace gantry::runner
