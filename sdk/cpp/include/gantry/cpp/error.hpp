#pragma once

/// C++ side of the ABI's errors: throw gantry::sdk::Error inside a plugin, wrap every ABI entry in `guard`.

#include <gantry/abi.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace gantry::sdk {

/// An error on its way to the host. `code` is GANTRY_ERR_*.
class Error : public std::exception {
  public:
    Error(int32_t code, std::string message, std::string hint = {})
        : code_(code), message_(std::move(message)), hint_(std::move(hint)) {}
    int32_t code() const noexcept { return code_; }
    const std::string& message() const noexcept { return message_; }
    const std::string& hint() const noexcept { return hint_; }
    const char* what() const noexcept override { return message_.c_str(); }

  private:
    int32_t code_;
    std::string message_;
    std::string hint_;
};

inline gantry_str_t to_abi(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view from_abi(gantry_str_t s) {
    return s.data == nullptr ? std::string_view{} : std::string_view{s.data, static_cast<size_t>(s.size)};
}

/// The ABI form of an error; the receiver destroys it. Falls back to a static out-of-memory error.
inline gantry_error_t* make_error(int32_t code, std::string_view message, std::string_view hint = {}) noexcept {
    struct Owned {
        gantry_error_t abi;  // first member: the ABI pointer is the object's own
        std::string message, hint;
    };
    static gantry_error_t no_memory = {GANTRY_SIZE(gantry_error_t, destroy),
                                       GANTRY_ERR_OUT_OF_MEMORY,
                                       {"out of memory while reporting an error", 38},
                                       {nullptr, 0},
                                       [](gantry_error_t*) {}};
    try {
        auto* e = new Owned{{}, std::string(message), std::string(hint)};
        e->abi = {GANTRY_SIZE(gantry_error_t, destroy), code, to_abi(e->message), to_abi(e->hint),
                  [](gantry_error_t* self) { delete reinterpret_cast<Owned*>(self); }};
        return &e->abi;
    } catch (...) {
        return &no_memory;
    }
}

/// Runs f and turns whatever it throws into an ABI error. Every function that the host can call is one `guard`.
template <class F>
gantry_error_t* guard(F&& f) noexcept {
    try {
        std::forward<F>(f)();
        return nullptr;
    } catch (const Error& e) {
        return make_error(e.code(), e.message(), e.hint());
    } catch (const std::bad_alloc&) {
        return make_error(GANTRY_ERR_OUT_OF_MEMORY, "the plugin ran out of memory");
    } catch (const std::exception& e) {
        return make_error(GANTRY_ERR_INTERNAL, e.what());
    } catch (...) {
        return make_error(GANTRY_ERR_INTERNAL, "the plugin threw something that is not a std::exception");
    }
}

}  // namespace gantry::sdk
