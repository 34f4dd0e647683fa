#pragma once

/// Chat templates: Jinja as Hugging Face transformers runs it (trim_blocks, lstrip_blocks, loop controls,
/// `tojson` without HTML escapes, raise_exception, strftime_now, generation blocks).

#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::text {

/// A compiled template. Immutable: any thread may render concurrently.
class ChatTemplate {
  public:
    /// Syntax errors give kInvalidArgument with line and column.
    static Result<ChatTemplate> compile(std::string_view source);

    ChatTemplate(ChatTemplate&&) noexcept;
    ChatTemplate& operator=(ChatTemplate&&) noexcept;
    ~ChatTemplate();

    /// Renders with these variables (messages, tools, add_generation_prompt, bos_token, ...). A refusal by the
    /// template (raise_exception) and run-time errors give kInvalidArgument with the template's own words.
    /// `now` is what strftime_now sees; default: the wall clock, local time. Output and steps are bounded.
    Result<std::string> render(const boost::json::object& variables,
                               std::optional<std::chrono::sys_seconds> now = std::nullopt) const;

    const std::string& source() const;

  private:
    struct Impl;
    explicit ChatTemplate(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::text
