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
#include "runtime/text/output/parser.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::runner {

/// How a model's answers are read.
struct OutputStyle {
    const text::OutputFormat* format = nullptr;  ///< of its calls; null: none
    text::ReasoningTags reasoning;

    /// By the launch's options, each a name, "none", or empty for what the model's templates show. kInvalidArgument
    /// lists the names.
    static Result<OutputStyle> choose(const std::string& tool_parser, const std::string& reasoning_parser,
                                      const registry::ModelManifest& manifest);
};

/// In what form a template takes the calls that an assistant's message made: templates differ, and none says so.
struct CallForm {
    bool text_arguments = false;  ///< as JSON text, not as an object
    bool null_content = false;    ///< content beside calls is null, not ""
};

/// A model's tokenizer, templates and compiled grammars. Any thread.
class Prompter {
  public:
    /// A template that does not compile, or refuses a plain "Hello", is no reason to refuse the model: chats get the
    /// error, everything else works. `variables` are the template's for chats that do not set them.
    Prompter(const registry::ModelManifest& manifest, std::shared_ptr<const text::Tokenizer> tokenizer,
             OutputStyle style = {}, boost::json::object variables = {});

    /// Why chats cannot be served; empty where they can.
    const std::optional<Error>& chat_error() const { return chat_error_; }
    const text::Tokenizer& tokenizer() const { return *tokenizer_; }
    const OutputStyle& style() const { return style_; }

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
    Result<std::optional<AnswerForm>> form_of(const engine::ChatInput& chat, std::string_view prompt,
                                              const std::optional<engine::GrammarSpec>& content) const;
    void find_call_form();
    boost::json::array shaped(const boost::json::array& messages) const;
    std::shared_ptr<const text::OutputPlan> plan(const engine::ChatInput& chat, std::string_view prompt,
                                                 bool formed) const;

    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::string bos_token_, eos_token_;
    OutputStyle style_;
    boost::json::object variables_;
    std::vector<int32_t> marker_tokens_;  ///< special tokens that are part of the style's markers
    std::shared_ptr<Grammars> grammars_;
    std::optional<text::ChatTemplate> template_, tool_template_;
    std::optional<Error> chat_error_;
    CallForm call_form_;
};

/// Bytes of text that a request asks to tokenise: what decides whether that is done on the io thread.
size_t text_bytes(const engine::GenerateRequest& request);

}  // namespace gantry::runner
