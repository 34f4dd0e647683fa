#pragma once

/// Ollama's names of models ("llama3.2:3b", "gantry-demo:latest"), and what there is to them here.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "api/auth/principal.hpp"
#include "api/dialects/ollama/call.hpp"
#include "api/dialects/ollama/library.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::ollama {

/// Without what says nothing: "registry.ollama.ai/library/" before it and ":latest" behind it.
std::string_view short_name(std::string_view name);

/// The model of a name: one that was created or copied, one that is launched (a uid, "uid:adapter", an adapter), else
/// one of the catalog, of which a tag chooses size and quantisation ("0.5b", "q8_0", "0.5b-q8_0"). kNotFound says which
/// names look alike.
api::ApiResult<Target> find_target(api::Services& services, const std::string& name);

/// kNotFound, as Ollama says it.
api::ApiError no_such_model(const api::Services& services, const std::string& name);

/// Makes a target ready: launches, wakes or waits for it as it needs. Returns what that took; nothing where it was
/// ready. kPermissionDenied where it would have to be launched and the caller may not do that. A `keep_alive` is how
/// long the model stays when nothing asks for it; unset: as it was launched, for new launches Ollama's five minutes.
boost::asio::awaitable<Result<std::chrono::nanoseconds>> make_ready(api::Services& services, api::Principal caller,
                                                                    Target target, KeepAlive keep_alive);

}  // namespace gantry::dialects::ollama
