#include "api/http/server_settings.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

namespace gantry::api {

http::ServerLimits server_limits(const config::Config& config) {
    const auto seconds = [&](const char* key) { return std::chrono::seconds(config.integer(key)); };
    http::ServerLimits limits;
    limits.max_header_bytes = static_cast<size_t>(config.integer("server.max_header_bytes"));
    limits.max_body_bytes = static_cast<size_t>(config.integer("server.max_body_bytes"));
    limits.max_connections = static_cast<size_t>(config.integer("server.max_connections"));
    limits.header_timeout = seconds("server.header_timeout_s");
    limits.body_timeout = seconds("server.body_timeout_s");
    limits.idle_timeout = seconds("server.idle_timeout_s");
    limits.write_timeout = seconds("server.write_timeout_s");
    return limits;
}

Result<std::shared_ptr<http::TlsContext>> server_tls(const config::Config& config) {
    const std::string& certificate = config.string("server.tls_certificate");
    const std::string& key = config.string("server.tls_key");
    if (certificate.empty() && key.empty()) {
        return std::shared_ptr<http::TlsContext>();
    }
    if (certificate.empty() || key.empty()) {
        return Error(Code::kInvalidArgument, "server.tls_certificate and server.tls_key must be set together");
    }
    return http::TlsContext::load(certificate, key);
}

sources::Settings download_settings(const config::Config& config) {
    const auto seconds = [&](const char* key) { return std::chrono::seconds(config.integer(key)); };
    sources::Settings out = sources::environment_settings();
    if (const std::string& url = config.string("registry.huggingface_url"); !url.empty()) {
        out.hugging_face = url;
    }
    out.mirrors = config.list("registry.huggingface_mirrors");
    out.model_scope = config.string("registry.modelscope_url");
    out.ollama = config.string("registry.ollama_url");
    download::NetworkSettings& network = out.network;
    network.offline |= config.boolean("registry.offline");
    network.hosts = config.list("registry.hosts");
    network.ca_file = config.string("registry.ca_file");
    network.proxy = config.string("registry.proxy");
    network.bytes_per_second = static_cast<uint64_t>(config.integer("registry.rate_limit"));
    network.ranges = static_cast<uint32_t>(config.integer("registry.parallel_ranges"));
    network.connect_timeout = seconds("registry.connect_timeout_s");
    network.stall_timeout = seconds("registry.stall_timeout_s");
    network.attempts = static_cast<uint32_t>(config.integer("registry.attempts"));
    return out;
}

bool is_loopback(const std::string& host) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    return error ? host == "localhost" : address.is_loopback();
}

bool reloadable(std::string_view key) {
    constexpr std::string_view kFixed[] = {"server.host", "server.port", "server.unix_socket", "server.allow_public",
                                           "log.format"};
    const bool ours = key.starts_with("server.") || key.starts_with("auth.") || key.starts_with("log.");
    return ours && std::find(std::begin(kFixed), std::end(kFixed), key) == std::end(kFixed);
}

}  // namespace gantry::api
