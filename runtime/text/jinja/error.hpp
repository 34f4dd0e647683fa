#pragma once

/// What the engine throws inside this module; chat_template.cpp turns it into the program's error values.

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gantry::text::jinja {

/// Python's exception classes, as far as an expression can tell them apart (`int` and `x[...]` catch some).
enum class ErrorKind : uint8_t {
    kTemplate,   ///< raise_exception
    kUndefined,  ///< an undefined value was used
    kType,
    kValue,
    kLookup,
    kOverflow,
    kZeroDivision,
    kSecurity,     ///< the sandbox forbids it
    kRecursion,    ///< nested too deeply
    kLimit,        ///< steps, memory or output used up
    kUnsupported,  ///< Python can, this engine cannot
};

/// A run-time failure with the words that Python would use.
struct RenderError : std::exception {
    RenderError(ErrorKind k, std::string m) : kind(k), message(std::move(m)) {}
    const char* what() const noexcept override { return message.c_str(); }
    ErrorKind kind;
    std::string message;
    uint32_t line = 0;  ///< of the statement that failed; 0 until a statement has seen it
};

/// A template that cannot be compiled. Lines and columns count from 1; columns count characters.
struct SyntaxError : std::exception {
    SyntaxError(std::string m, uint32_t l, uint32_t c) : message(std::move(m)), line(l), column(c) {}
    const char* what() const noexcept override { return message.c_str(); }
    std::string message;
    uint32_t line;
    uint32_t column;
};

/// The pieces of a message, put together.
inline std::string words(std::initializer_list<std::string_view> pieces) {
    std::string out;
    for (const auto piece : pieces) {
        out += piece;
    }
    return out;
}

[[noreturn]] inline void raise(ErrorKind kind, std::string message) { throw RenderError(kind, std::move(message)); }
[[noreturn]] inline void raise_type(std::string message) { raise(ErrorKind::kType, std::move(message)); }
[[noreturn]] inline void raise_value(std::string message) { raise(ErrorKind::kValue, std::move(message)); }

}  // namespace gantry::text::jinja
