#include "runtime/text/chat_template.hpp"

#include <new>

#include "runtime/text/jinja/interpreter.hpp"
#include "runtime/text/jinja/lexer.hpp"
#include "runtime/text/jinja/parser.hpp"
#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text {

struct ChatTemplate::Impl {
    std::string source;
    jinja::Template parsed;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

const std::string& ChatTemplate::source() const { return impl_->source; }

Result<ChatTemplate> ChatTemplate::compile(std::string_view source) {
    if (source.size() > jinja::kMaxSourceBytes) {
        return Error(Code::kTooLarge, "the chat template has " + std::to_string(source.size()) +
                                          " bytes, the limit is " + std::to_string(jinja::kMaxSourceBytes));
    }
    if (!jinja::utf8_valid(source)) {
        return Error(Code::kInvalidArgument, "the chat template is not valid UTF-8");
    }
    try {
        auto impl = std::make_unique<Impl>();
        impl->source = source;
        impl->parsed = jinja::parse(jinja::normalize_source(source));
        return ChatTemplate(std::move(impl));
    } catch (const jinja::SyntaxError& e) {
        return Error(Code::kInvalidArgument, "chat template, line " + std::to_string(e.line) + ", column " +
                                                 std::to_string(e.column) + ": " + e.message);
    } catch (const jinja::RenderError& e) {
        return Error(Code::kInvalidArgument, "chat template: " + e.message);
    } catch (const std::bad_alloc&) {
        return Error(Code::kOutOfMemory, "no memory to compile the chat template");
    }
}

Result<std::string> ChatTemplate::render(const boost::json::object& variables,
                                         std::optional<std::chrono::sys_seconds> now) const {
    try {
        return jinja::Interpreter(impl_->parsed, variables, now).run();
    } catch (const jinja::RenderError& e) {
        return Error(Code::kInvalidArgument, e.message,
                     e.line == 0 ? "" : "raised on line " + std::to_string(e.line) + " of the chat template");
    } catch (const std::bad_alloc&) {
        return Error(Code::kOutOfMemory, "no memory to render the chat template");
    }
}

}  // namespace gantry::text
