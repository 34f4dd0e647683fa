#pragma once

/// What the configuration says about sockets, and what of it may change while the server runs.

#include <memory>
#include <string>
#include <string_view>

#include "base/config.hpp"
#include "base/http/tls.hpp"
#include "base/http/types.hpp"
#include "registry/sources/settings.hpp"

namespace gantry::api {

http::ServerLimits server_limits(const config::Config& config);

/// From server.tls_certificate and server.tls_key; null where neither is set.
Result<std::shared_ptr<http::TlsContext>> server_tls(const config::Config& config);

/// From the keys of [registry] and the environment.
sources::Settings download_settings(const config::Config& config);

/// Whether only this machine can reach an address.
bool is_loopback(const std::string& host);

/// Whether a new value takes effect at SIGHUP; the others wait for the next start.
bool reloadable(std::string_view key);

}  // namespace gantry::api
