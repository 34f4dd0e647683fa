#pragma once

/// The Responder of one request on one connection. Internal to base/http.

#include <string>

#include "base/http/connection.hpp"

namespace gantry::http {

class RequestResponder final : public Responder {
  public:
    /// `keep_alive` is what the client offers; `version` 10 or 11.
    RequestResponder(Connection& connection, int version, bool head, bool keep_alive)
        : connection_(connection), version_(version), head_(head), keep_alive_(keep_alive) {}

    boost::asio::awaitable<Status> send(Response response) override;
    boost::asio::awaitable<Status> start(int status, Headers headers) override;
    boost::asio::awaitable<Status> write(std::string chunk) override;
    boost::asio::awaitable<Status> finish() override;
    bool started() const override { return state_ != State::kNew; }

    /// Whether the response is whole, so that the connection may carry another.
    bool complete() const { return state_ == State::kDone; }
    bool keep_alive() const { return keep_alive_; }

  private:
    enum class State { kNew, kStreaming, kDone };
    std::string head_of(int status, const Headers& headers);

    Connection& connection_;
    int version_;
    bool head_;
    bool keep_alive_;
    State state_ = State::kNew;
};

}  // namespace gantry::http
