#include "runtime/runner/prompt.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "runtime/plugins/json.hpp"
#include "runtime/runner/forced_calls.hpp"
#include "runtime/runner/output_style.hpp"

namespace gantry::runner {
namespace json = boost::json;
namespace {

std::optional<text::ChatTemplate> compile(const std::string& source, std::optional<Error>& why_not) {
    if (source.empty()) {
        return std::nullopt;
    }
    auto compiled = text::ChatTemplate::compile(source);
    if (!compiled) {
        why_not = compiled.error().in("the model's chat template");
        log::warn("{}", why_not->text());
        return std::nullopt;
    }
    return std::move(*compiled);
}

/// Whether a prompt's last word is this marker.
bool ends_with(std::string_view prompt, std::string_view marker) {
    const size_t end = prompt.find_last_not_of(" \n\t");
    return !marker.empty() && end != std::string_view::npos && prompt.substr(0, end + 1).ends_with(marker);
}

bool demands_call(const engine::ChatInput& chat) {
    return chat.tool_choice == engine::ToolChoice::kRequired || chat.tool_choice == engine::ToolChoice::kNamed;
}

bool has_strict_tool(const engine::ChatInput& chat) {
    return std::ranges::any_of(chat.tools, [](const json::value& tool) {
        const json::object* const outer = tool.if_object();
        const json::value* const function = outer != nullptr ? outer->if_contains("function") : nullptr;
        const json::object* const inner = function != nullptr ? function->if_object() : nullptr;
        const json::value* const strict = inner != nullptr ? inner->if_contains("strict") : nullptr;
        return strict != nullptr && *strict == true;
    });
}

}  // namespace

Prompter::Prompter(const registry::ModelManifest& manifest, std::shared_ptr<const text::Tokenizer> tokenizer,
                   OutputStyle style, json::object variables)
    : tokenizer_(std::move(tokenizer)),
      bos_token_(manifest.bos_token),
      eos_token_(manifest.eos_token),
      style_(std::move(style)),
      variables_(std::move(variables)),
      marker_tokens_(find_marker_tokens(style_.format, style_.reasoning, *tokenizer_)),
      grammars_(std::make_shared<Grammars>(tokenizer_, marker_tokens_)) {
    template_ = compile(manifest.chat_template, chat_error_);
    if (const auto found = manifest.chat_templates.find("tool_use"); found != manifest.chat_templates.end()) {
        std::optional<Error> ignored;
        tool_template_ = compile(found->second, ignored);
    }
    if (!template_) {
        if (!chat_error_) {
            chat_error_ = Error{Code::kUnimplemented, "this model has no chat template, so it cannot chat",
                                "use it for completions"};
        }
        return;
    }
    engine::ChatInput smoke;
    smoke.messages = {json::object{{"role", "user"}, {"content", "Hello"}}};
    if (const auto rendered = render(smoke); !rendered) {
        chat_error_ = rendered.error().in("the model's chat template refuses even a plain message");
        log::warn("{}", chat_error_->text());
        return;
    }
    find_call_form();
}

/// Renders a conversation with a call in each form; the first that shows the call, and no "None", is it.
void Prompter::find_call_form() {
    const json::object probe = json::parse(R"({"messages": [{"role": "user", "content": "Hello"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call00001", "type": "function",
         "function": {"name": "probe_name", "arguments": {"probe_key": "probe_value"}}}]},
        {"role": "tool", "tool_call_id": "call00001", "name": "probe_name", "content": "1"}],
        "tools": [{"type": "function", "function": {"name": "probe_name", "description": "Probes.", "parameters":
         {"type": "object", "properties": {"probe_key": {"type": "string", "description": "A key."}},
          "required": ["probe_key"]}}}]})")
                                   .as_object();
    engine::ChatInput chat;
    chat.messages = probe.at("messages").as_array();
    chat.tools = probe.at("tools").as_array();
    for (const CallForm form :
         {CallForm{false, false}, CallForm{false, true}, CallForm{true, false}, CallForm{true, true}}) {
        call_form_ = form;
        const auto rendered = render(chat);
        if (rendered && rendered->find("probe_value") != std::string::npos &&
            rendered->find("None") == std::string::npos) {
            return;
        }
    }
    call_form_ = {};
}

/// The messages with their calls in the template's form.
json::array Prompter::shaped(const json::array& messages) const {
    json::array out = messages;
    for (json::value& message : out) {
        json::object* const object = message.if_object();
        json::value* const calls = object != nullptr ? object->if_contains("tool_calls") : nullptr;
        if (calls == nullptr || !calls->is_array() || calls->get_array().empty()) {
            continue;
        }
        const json::value* content = object->if_contains("content");
        if (content == nullptr || content->is_null() || (content->is_string() && content->get_string().empty())) {
            (*object)["content"] = call_form_.null_content ? json::value(nullptr) : json::value("");
        }
        for (json::value& call : object->at("tool_calls").get_array()) {
            json::object* const entry = call.if_object();
            json::value* const function = entry != nullptr ? entry->if_contains("function") : nullptr;
            json::value* const arguments = function != nullptr && function->is_object()
                                               ? function->get_object().if_contains("arguments")
                                               : nullptr;
            if (arguments != nullptr && arguments->is_object() && call_form_.text_arguments) {
                *arguments = json::serialize(*arguments);
            }
        }
    }
    return out;
}

const text::ChatTemplate* Prompter::choose(bool has_tools) const {
    return has_tools && tool_template_ ? &*tool_template_ : template_ ? &*template_ : nullptr;
}

Result<std::string> Prompter::render_with(const text::ChatTemplate& chat_template, json::object variables,
                                          std::optional<std::chrono::sys_seconds> now) const {
    variables.emplace("bos_token", bos_token_);
    variables.emplace("eos_token", eos_token_);
    variables.emplace("tools", nullptr);
    variables.emplace("documents", nullptr);
    variables.emplace("add_generation_prompt", false);
    return chat_template.render(variables, now);
}

Result<std::string> Prompter::render(const engine::ChatInput& chat) const {
    const text::ChatTemplate* chosen = choose(!chat.tools.empty());
    if (chosen == nullptr) {
        return *chat_error_;
    }
    json::object variables = chat.template_kwargs;
    variables["messages"] = shaped(chat.messages);
    variables["add_generation_prompt"] = chat.add_generation_prompt;
    if (!chat.tools.empty()) {
        variables["tools"] = chat.tools;
    }
    return render_with(*chosen, std::move(variables), std::nullopt);
}

Result<std::string> Prompter::render_debug(const json::object& body) const {
    json::object variables = body;
    variables.erase("template");
    variables.erase("now");
    std::optional<std::chrono::sys_seconds> now;
    if (body.contains("now")) {
        now = std::chrono::sys_seconds(std::chrono::seconds(plugins::json_number(body, "now")));
    }
    if (const std::string source = plugins::json_text(body, "template"); !source.empty()) {
        GANTRY_TRY(const text::ChatTemplate compiled, text::ChatTemplate::compile(source));
        return render_with(compiled, std::move(variables), now);
    }
    const json::value* tools = body.if_contains("tools");
    const text::ChatTemplate* chosen = choose(tools != nullptr && tools->is_array() && !tools->get_array().empty());
    if (chosen == nullptr) {
        return *chat_error_;
    }
    return render_with(*chosen, std::move(variables), now);
}

std::shared_ptr<const text::OutputPlan> Prompter::plan(const engine::ChatInput& chat, std::string_view prompt,
                                                       bool formed) const {
    auto out = std::make_shared<text::OutputPlan>();
    out->format = style_.format;
    if (chat.separate_reasoning) {
        out->reasoning = style_.reasoning;
    }
    if (out->trivial()) {
        return nullptr;
    }
    if (style_.format != nullptr && chat.tool_choice != engine::ToolChoice::kNone) {
        out->tools = tool_infos(chat.tools);
    }
    out->starts_in_reasoning = ends_with(prompt, out->reasoning.begin);
    out->parallel_calls = chat.parallel_tool_calls;
    out->marker_tokens = marker_tokens_;
    if (chat.reasoning_budget) {
        out->reasoning_budget = chat.reasoning_budget;
        out->reasoning_end_tokens =
            tokenizer_->encode(reasoning_stop(out->format, out->reasoning, formed), {false, true});
    }
    return out;
}

/// What the answer must look like, if anything: calls that are demanded, or what the client asks for, or with tools to
/// choose from either of both; and where that begins.
Result<std::optional<AnswerForm>> Prompter::form_of(const engine::ChatInput& chat, std::string_view prompt,
                                                    const std::optional<engine::GrammarSpec>& content) const {
    AnswerForm form;
    const bool tools = style_.format != nullptr && !chat.tools.empty() && chat.tool_choice != engine::ToolChoice::kNone;
    const bool own_place = content && (content->kind == engine::GrammarSpec::Kind::kStructuralTag ||
                                       !content->start_after.empty());  // the client says where what begins
    json::object calls;
    if (demands_call(chat)) {
        GANTRY_TRY(calls, calls_format(style_.format, chat, CallUse::kOnly));
    } else if (content) {
        form.content = content;
        if (tools && !own_place) {
            GANTRY_TRY(calls, calls_format(style_.format, chat, CallUse::kOnly));
        }
    } else if (tools && has_strict_tool(chat)) {
        GANTRY_TRY(calls, calls_format(style_.format, chat, CallUse::kAmong));
    } else {
        return std::optional<AnswerForm>();
    }
    form.calls = calls.empty() ? std::string() : json::serialize(calls);
    if (form.content && !own_place && style_.format != nullptr) {
        form.content_begin = style_.format->texts.content;
    }
    const bool in_messages = style_.format != nullptr && style_.format->syntax == text::CallSyntax::kChannels;
    const json::value* thinking = chat.template_kwargs.if_contains("enable_thinking");
    if (own_place && form.content) {
        return std::optional(std::move(form));
    }
    if (style_.format != nullptr && !style_.format->texts.reasoning_end.empty()) {
        form.reasoning_begin = style_.format->texts.reasoning;
        form.reasoning_end = style_.format->texts.reasoning_end;
        form.blanks = false;
    } else if (const text::ReasoningTags& tags = style_.reasoning;
               tags && !in_messages && !ends_with(prompt, tags.end) && (thinking == nullptr || *thinking != false)) {
        form.reasoning_begin = tags.begin;
        form.reasoning_end = tags.end;
        form.in_reasoning = ends_with(prompt, tags.begin);
    }
    return std::optional(std::move(form));
}

Result<engine::EngineRequest> Prompter::prepare(engine::GenerateRequest request) const {
    engine::EngineRequest out;
    out.id = request.id;
    std::string prompt_text;
    std::optional<AnswerForm> form;
    if (request.grammar) {
        form.emplace().content = request.grammar;
    }
    if (auto* chat = std::get_if<engine::ChatInput>(&request.input)) {
        for (const auto& [name, value] : variables_) {
            chat->template_kwargs.emplace(name, value);  // keeps what is there
        }
        if (chat_error_) {
            return *chat_error_;
        }
        GANTRY_TRY(prompt_text, render(*chat));
        // The template has written the special tokens; nothing is to be put around them.
        out.prompt = tokenizer_->encode(prompt_text, {false, true});
        GANTRY_TRY(form, form_of(*chat, prompt_text, request.grammar));
        out.output = plan(*chat, prompt_text, form.has_value());
    } else if (auto* plain = std::get_if<engine::TextInput>(&request.input)) {
        prompt_text = std::move(plain->text);
        out.prompt = tokenizer_->encode(prompt_text, {plain->add_special, true});
    } else {
        out.prompt = std::move(std::get<engine::TokenInput>(request.input).ids);
        if (request.echo) {
            prompt_text = tokenizer_->decode(out.prompt);
        }
    }
    if (request.echo) {
        out.echo_text = std::move(prompt_text);
    }
    if (form) {
        GANTRY_TRY(out.constraint, grammars_->compile(*form));
    }
    if (!request.prediction.empty()) {
        out.prediction = tokenizer_->encode(request.prediction, {false, false});
    }
    request.input = engine::TokenInput{};
    out.params = std::move(request);
    return out;
}

size_t text_bytes(const engine::GenerateRequest& request) {
    if (const auto* plain = std::get_if<engine::TextInput>(&request.input)) {
        return plain->text.size() + request.prediction.size();
    }
    const auto* chat = std::get_if<engine::ChatInput>(&request.input);
    if (chat == nullptr) {
        return request.prediction.size();
    }
    size_t sum = request.prediction.size();
    for (const json::value& message : chat->messages) {
        const auto* object = message.if_object();
        const json::value* content = object == nullptr ? nullptr : object->if_contains("content");
        // Parts and tool calls are counted roughly: whoever sends them pays for the detour by another thread.
        sum += content != nullptr && content->is_string() ? content->get_string().size() : size_t{4096};
    }
    // A demanded call is a grammar to compile, and so is one that must be well formed.
    const bool form = demands_call(*chat) || has_strict_tool(*chat);
    return sum + chat->tools.size() * 4096 + (form ? size_t{65536} : 0);
}

}  // namespace gantry::runner
