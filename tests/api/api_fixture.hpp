#pragma once

/// Requests straight into the router: no sockets, every byte of the answer at hand.

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "api/dialects/routes.hpp"
#include "api/http/core_routes.hpp"
#include "api/http/router.hpp"
#include "base/log.hpp"
#include "tests/api/fake_fleet.hpp"

namespace gantry::test {

/// Keeps what a handler answers.
class RecordingResponder final : public http::Responder {
  public:
    asio::awaitable<Status> send(http::Response r) override {
        response = std::move(r);
        whole = true;
        co_return ok();
    }
    asio::awaitable<Status> start(int status, http::Headers headers) override {
        response.status = status;
        response.headers = std::move(headers);
        streaming = true;
        co_return ok();
    }
    asio::awaitable<Status> write(std::string chunk) override {
        if (gone_after >= 0 && static_cast<int>(chunks.size()) >= gone_after) {
            co_return Error(Code::kCancelled, "the client is gone");
        }
        response.body += chunk;
        chunks.push_back(std::move(chunk));
        co_return ok();
    }
    asio::awaitable<Status> finish() override {
        whole = true;
        co_return ok();
    }
    bool started() const override { return whole || streaming; }

    http::Response response;
    std::vector<std::string> chunks;
    bool whole = false, streaming = false;
    int gone_after = -1;
};

struct Reply {
    int status = 0;
    http::Headers headers;
    std::string body;
    bool whole = false;
    size_t writes = 0;

    bj::value json() const { return bj::parse(body); }
    std::string header(std::string_view name) const { return std::string(headers.find(name).value_or("")); }
    /// The error's message and the field it names.
    std::string message() const { return std::string(json().at("error").at("message").as_string()); }
    std::string param() const {
        const bj::value value = json().at("error").at("param");
        return value.is_string() ? std::string(value.as_string()) : std::string();
    }
    /// The data of the server-sent events.
    std::vector<std::string> events() const {
        std::vector<std::string> out;
        size_t at = 0;
        while (at < body.size()) {
            const size_t end = body.find("\n\n", at);
            EXPECT_NE(end, std::string::npos) << "an event without its end";
            const std::string line = body.substr(at, end - at);
            EXPECT_TRUE(line.starts_with("data: ")) << line;
            EXPECT_EQ(line.find('\n'), std::string::npos);
            out.push_back(line.substr(6));
            at = end + 2;
        }
        return out;
    }
};

class ApiTest : public ::testing::Test {
  protected:
    ApiTest() {
        log::setup(log::Level::kError, log::Format::kText);
        services.address = "127.0.0.1:9997";
        services.cors_origins = {"http://localhost"};
        api::observe_fleet(services);
    }

    Reply send(http::Request request) {
        request.peer = "test";
        EXPECT_TRUE(http::split_target(request));
        RecordingResponder responder;
        responder.gone_after = gone_after;
        auto done = asio::co_spawn(io, router.handle(std::move(request), responder), asio::use_future);
        io.restart();
        io.run();
        done.get();
        return {responder.response.status, responder.response.headers, responder.response.body, responder.whole,
                responder.chunks.size()};
    }
    Reply call(std::string method, std::string target, std::string body = {}) {
        http::Request request;
        request.method = std::move(method);
        request.target = std::move(target);
        request.body = std::move(body);
        return send(std::move(request));
    }
    Reply get(std::string target) { return call("GET", std::move(target)); }
    Reply post(std::string target, std::string body) { return call("POST", std::move(target), std::move(body)); }

    static std::vector<api::RouteTable> tables() {
        auto all = dialects::all_routes();
        const auto core = api::core_routes();
        all.insert(all.end(), core.begin(), core.end());
        return all;
    }

    asio::io_context io;
    FakeFleet fleet{io.get_executor()};
    metrics::Registry metrics;
    registry::Catalog catalog;
    api::Services services{fleet, metrics, catalog};
    api::Router router{services, tables()};
    int gone_after = -1;
};

}  // namespace gantry::test
