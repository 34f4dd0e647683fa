#pragma once

/// Strings and errors on their way across the plugin contract.

#include <gantry/abi.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace gantry::plugins {

inline gantry_str_t to_abi(std::string_view s) { return {s.data(), s.size()}; }

/// A view of a plugin's string; empty for a NULL or absurd one.
std::string_view from_abi(gantry_str_t s);

/// Reads and destroys a plugin's error. Believes nothing that its struct_size does not cover.
Error take_error(gantry_error_t* error);

/// An error in the contract's form; its receiver destroys it.
gantry_error_t* make_abi_error(const Error& error) noexcept;

/// "0.9" for GANTRY_MAKE_VERSION(0, 9).
std::string version_text(uint32_t version);

/// Calls a plugin: `call` returns gantry_error_t*. What it throws against the contract becomes kInternal.
template <class F>
Status call_plugin(std::string_view what, F&& call) {
    const auto broken = [&](std::string_view why) {
        return Error{Code::kInternal,
                     "the plugin let an exception out of " + std::string(what) + ": " + std::string(why),
                     "report this to the plugin's author"};
    };
    try {
        if (gantry_error_t* error = std::forward<F>(call)()) {
            return take_error(error);
        }
        return ok();
    } catch (const std::exception& e) {
        return broken(e.what());
    } catch (...) {
        return broken("not a std::exception");
    }
}

}  // namespace gantry::plugins
