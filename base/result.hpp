#pragma once

/// The one error type of the program and the result that carries it.
///
/// Expected failures are values: a function that can fail returns `Result<T>` (or `Status`), never throws for
/// bad input. Exceptions from libraries are caught inside the module that uses the library.

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace gantry {

/// Canonical error codes. `base/http/status_map.hpp` is the one place that turns them into HTTP statuses.
enum class Code {
    kInvalidArgument,     ///< the caller's input is wrong; the same call will fail again
    kUnauthenticated,     ///< no or bad credentials
    kPermissionDenied,    ///< known caller, not allowed
    kNotFound,            ///< no such model, route, file
    kAlreadyExists,       ///< the name is taken
    kFailedPrecondition,  ///< right call, wrong state (a model that is stopping, say)
    kTooLarge,            ///< body, header or file over a limit
    kResourceExhausted,   ///< queue or quota full: retry later
    kOutOfMemory,         ///< does not fit; the message holds the sum
    kCancelled,           ///< the caller went away or asked to stop
    kDeadlineExceeded,    ///< out of time
    kDataLoss,            ///< a file or reply is corrupt or cut short
    kUnimplemented,       ///< known, but not supported by this build, plugin or model
    kUnavailable,         ///< the model or process is not there now: retry later
    kInternal,            ///< a bug of ours or of a plugin
};

/// Stable lower-case name of a code, as it appears in JSON ("invalid_argument").
std::string_view code_name(Code code);

/// Inverse of code_name; kInternal for an unknown name.
Code code_from_name(std::string_view name);

/// What went wrong and where (`message`), and what to do about it (`hint`, may be empty).
struct Error {
    Code code = Code::kInternal;
    std::string message;
    std::string hint;

    Error() = default;
    Error(Code c, std::string m, std::string h = {}) : code(c), message(std::move(m)), hint(std::move(h)) {}

    /// The same error with "context: " before its message.
    [[nodiscard]] Error in(std::string_view context) const;

    /// "message (hint)", for logs and terminals.
    [[nodiscard]] std::string text() const;
};

/// Lets `result.value()` throw something meaningful; only tests and `main` rely on it.
[[noreturn]] inline void throw_exception_from_error(const Error& e, const boost::source_location&) {
    throw std::runtime_error(e.text());
}

template <class T>
using Result = boost::system::result<T, Error>;
using Status = Result<void>;

/// The success value of a Status.
inline Status ok() { return Status{boost::system::in_place_value}; }

}  // namespace gantry

#define GANTRY_CONCAT_(a, b) a##b
#define GANTRY_CONCAT(a, b) GANTRY_CONCAT_(a, b)

/// `GANTRY_TRY(auto x, f());` unwraps f()'s value into x or returns its error.
#define GANTRY_TRY(decl, expr) GANTRY_TRY_(return, decl, expr, GANTRY_CONCAT(try_result_, __LINE__))
/// The same inside a coroutine.
#define GANTRY_CO_TRY(decl, expr) GANTRY_TRY_(co_return, decl, expr, GANTRY_CONCAT(try_result_, __LINE__))
#define GANTRY_TRY_(ret, decl, expr, tmp) \
    auto tmp = (expr);                    \
    if (!tmp) {                           \
        ret tmp.error();                  \
    }                                     \
    decl = std::move(*tmp)

/// `GANTRY_CHECK_OK(f());` returns f()'s error, if any.
#define GANTRY_CHECK_OK(expr)                  \
    do {                                       \
        if (auto status_ = (expr); !status_) { \
            return status_.error();            \
        }                                      \
    } while (false)
#define GANTRY_CO_CHECK_OK(expr)               \
    do {                                       \
        if (auto status_ = (expr); !status_) { \
            co_return status_.error();         \
        }                                      \
    } while (false)
