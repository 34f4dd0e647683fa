#include "runtime/plugins/library.hpp"

#define BOOST_DLL_USE_STD_FS
#include <dlfcn.h>

#include <boost/dll/shared_library.hpp>
#include <exception>

namespace gantry::plugins {

namespace dll = boost::dll;

Result<gantry_backend_entry_fn> open_plugin_library(const std::filesystem::path& path) {
    if (!path.is_absolute()) {
        return Error{Code::kInvalidArgument, "plugin library path '" + path.string() + "' is not absolute"};
    }
    std::error_code ec;
    if (!std::filesystem::is_regular_file(path, ec)) {
        return Error{Code::kNotFound, "plugin library " + path.string() + " does not exist"};
    }
    // Threads and callbacks of a plugin may outlive every handle to it, so its code is never unmapped: RTLD_NODELETE,
    // for which Boost.DLL has no name.
    const auto mode =
        dll::load_mode::rtld_now | dll::load_mode::rtld_local | static_cast<dll::load_mode::type>(RTLD_NODELETE);
    try {
        const dll::shared_library library(path, mode);
        if (!library.has(GANTRY_ENTRY_SYMBOL)) {
            return Error{Code::kFailedPrecondition,
                         path.string() + " does not export " GANTRY_ENTRY_SYMBOL ": it is not a Gantry plugin"};
        }
        // shared_library::get dereferences; the address itself is wanted here.
        return reinterpret_cast<gantry_backend_entry_fn>(&library.get<void()>(GANTRY_ENTRY_SYMBOL));
    } catch (const std::exception& e) {
        return Error{Code::kFailedPrecondition, "cannot load " + path.string() + ": " + e.what(),
                     "check that the libraries the plugin needs are installed (ldd names the missing ones)"};
    }
}

}  // namespace gantry::plugins
