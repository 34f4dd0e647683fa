#include "api/cli/server_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <cstdlib>

#include "base/http/client.hpp"
#include "base/http/status_map.hpp"

namespace gantry::cli {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr uint16_t kDefaultPort = 9997;

struct ServerUrl {
    http::Endpoint endpoint;
    bool encrypted = false;
};

Result<ServerUrl> parse_server(std::string_view text) {
    const Error bad{Code::kInvalidArgument, "\"" + std::string(text) + "\" is not a server address",
                    "use http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:/path"};
    if (text.starts_with("unix:")) {
        return ServerUrl{{true, std::string(text.substr(5)), 0}};
    }
    const bool encrypted = text.starts_with("https://");
    if (encrypted || text.starts_with("http://")) {
        text.remove_prefix(encrypted ? 8 : 7);
    } else if (text.find("://") != std::string_view::npos) {
        return bad;
    }
    while (text.ends_with('/')) {
        text.remove_suffix(1);
    }
    const auto colon = text.rfind(':');
    uint16_t port = kDefaultPort;
    if (colon != std::string_view::npos) {
        const auto digits = text.substr(colon + 1);
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (ec != std::errc{} || end != digits.data() + digits.size()) {
            return bad;
        }
        text = text.substr(0, colon);
    }
    if (text.empty()) {
        return bad;
    }
    return ServerUrl{{false, std::string(text), port}, encrypted};
}

/// The Error inside an error answer, or one made of its status.
Error error_of(int status, std::string_view body) {
    Error error{http::code_of(status), "the server answered with status " + std::to_string(status), ""};
    boost::system::error_code ec;
    const auto value = json::parse({body.data(), body.size()}, ec);
    if (ec || !value.is_object()) {
        return error;
    }
    if (const auto* e = value.as_object().if_contains("error"); e != nullptr && e->is_object()) {
        const auto& object = e->as_object();
        if (const auto* m = object.if_contains("message"); m != nullptr && m->is_string()) {
            error.message = json::value_to<std::string>(*m);
        }
        if (const auto* h = object.if_contains("hint"); h != nullptr && h->is_string()) {
            error.hint = json::value_to<std::string>(*h);
        }
    }
    return error;
}

void show_key(http::Request& request, const std::string& api_key) {
    if (!api_key.empty()) {
        request.headers.set("Authorization", "Bearer " + api_key);
    }
}

Error explain(const http::Endpoint& endpoint, Error error) {
    if (error.code == Code::kUnavailable && error.hint.empty()) {
        error.hint = "is a server running at " + endpoint.text() + "? Start one with: gantry serve";
    }
    if (error.code == Code::kUnauthenticated && error.hint.empty()) {
        error.hint = "name the file of the authority's certificate, or of the server's: --ca-file, or GANTRY_CA_FILE";
    }
    return error;
}

}  // namespace

struct ServerClient::Impl {
    ServerAddress address;
    std::string api_key;
};

ServerClient::ServerClient(ServerAddress address, std::string api_key)
    : impl_(std::make_unique<Impl>(Impl{std::move(address), std::move(api_key)})) {
    if (encrypted()) {
        std::signal(SIGPIPE, SIG_IGN);  // see tls.hpp
    }
}
ServerClient::~ServerClient() = default;
ServerClient::ServerClient(ServerClient&&) noexcept = default;
ServerClient ServerClient::another() const { return ServerClient(impl_->address, impl_->api_key); }
const http::Endpoint& ServerClient::endpoint() const { return impl_->address.endpoint; }
bool ServerClient::encrypted() const { return impl_->address.trust != nullptr; }

Result<ServerClient> ServerClient::from(const Arguments& args) {
    const char* env = std::getenv("GANTRY_SERVER");
    const auto given = args.value("server");
    GANTRY_TRY(ServerUrl url, parse_server(given ? *given : env != nullptr ? env : "127.0.0.1"));
    ServerAddress address{std::move(url.endpoint), nullptr};
    if (url.encrypted) {
        const char* authority = std::getenv("GANTRY_CA_FILE");
        const std::string file = args.value("ca-file").value_or(authority != nullptr ? authority : "");
        GANTRY_TRY(address.trust, http::TlsTrust::load(file));
    }
    const char* key = std::getenv("GANTRY_API_KEY");
    return ServerClient(std::move(address), args.value("api-key").value_or(key != nullptr ? key : ""));
}

Result<json::value> ServerClient::call(std::string method, std::string target, std::optional<json::value> body) {
    asio::io_context io(1);
    http::Client client(io.get_executor(), impl_->address.endpoint, impl_->address.trust);
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    show_key(request, impl_->api_key);
    if (body) {
        request.headers.set("Content-Type", "application/json");
        request.body = json::serialize(*body);
    }
    Result<http::Response> response = Error{Code::kInternal, "the call did not run"};
    const auto run = [&]() -> asio::awaitable<void> {
        response = co_await client.request(request, std::chrono::hours(24));
    };
    asio::co_spawn(io, run(), asio::detached);
    io.run();
    if (!response) {
        return explain(impl_->address.endpoint, response.error());
    }
    if (response->status >= 300) {
        return error_of(response->status, response->body);
    }
    boost::system::error_code ec;
    auto value = json::parse(response->body, ec);
    if (ec) {
        return Error{Code::kDataLoss, "the server's answer is not JSON: " + ec.message()};
    }
    return value;
}

namespace {

/// Hands over the lines of an answer until its end, until `on_line` returns false or until Ctrl-C.
Status read_lines(const ServerAddress& address, const http::Request& request,
                  const std::function<bool(const std::string&)>& on_line) {
    asio::io_context io(1);
    http::Client client(io.get_executor(), address.endpoint, address.trust);
    Status outcome = ok();
    asio::signal_set interrupt(io, SIGINT);
    interrupt.async_wait([&](boost::system::error_code ec, int) {
        if (!ec) {
            outcome = Error{Code::kCancelled, "stopped"};
            io.stop();
        }
    });
    const auto run = [&]() -> asio::awaitable<void> {
        auto opened = co_await client.open(request, std::chrono::hours(24));
        if (!opened) {
            outcome = explain(address.endpoint, opened.error());
            interrupt.cancel();
            co_return;
        }
        auto& response = **opened;
        if (response.status() >= 300) {
            auto text = co_await response.read_all();
            outcome = error_of(response.status(), text ? *text : std::string());
        } else {
            http::LineReader lines(response);
            while (true) {
                auto line = co_await lines.next();
                if (!line) {
                    outcome = line.error();
                    break;
                }
                if (!*line || !on_line(**line)) {
                    break;
                }
            }
        }
        interrupt.cancel();
    };
    asio::co_spawn(io, run(), asio::detached);
    io.run();
    return outcome;
}

}  // namespace

Status ServerClient::stream(std::string target, const json::value& body,
                            const std::function<bool(std::string_view)>& on_data) {
    http::Request request;
    request.method = "POST";
    request.target = std::move(target);
    show_key(request, impl_->api_key);
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(body);
    return read_lines(impl_->address, request, [&](const std::string& line) {
        return line != "data: [DONE]" && (!line.starts_with("data: ") || on_data(std::string_view(line).substr(6)));
    });
}

Status ServerClient::read(std::string target, const std::function<void(std::string_view)>& on_line) {
    http::Request request;
    request.method = "GET";
    request.target = std::move(target);
    show_key(request, impl_->api_key);
    return read_lines(impl_->address, request, [&](const std::string& line) {
        on_line(line + '\n');
        return true;
    });
}

bool ServerClient::alive() { return call("GET", "/healthz").has_value(); }

}  // namespace gantry::cli
