#include "base/http/responder.hpp"

#include <array>
#include <charconv>
#include <ctime>

namespace gantry::http {
namespace {

namespace asio = boost::asio;

/// RFC 9110 date of now, made once a second.
const std::string& http_date() {
    thread_local std::time_t made = 0;
    thread_local std::string text;
    const std::time_t now = std::time(nullptr);
    if (now != made) {
        std::tm tm{};
        gmtime_r(&now, &tm);
        std::array<char, 40> buffer{};
        const size_t length = std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        text.assign(buffer.data(), length);
        made = now;
    }
    return text;
}

bool bodyless(int status) { return status == 204 || status == 304 || (status >= 100 && status < 200); }

Error misuse(const char* what) {
    return Error(Code::kInternal, std::string("a handler called ") + what + " out of turn");
}

}  // namespace

std::string RequestResponder::head_of(int status, const Headers& headers) {
    std::string out;
    out.reserve(256);
    append_status_line(out, status);
    for (const auto& [name, value] : headers.all()) {
        append_field(out, name, value);
    }
    append_field(out, "Date", http_date());
    keep_alive_ = keep_alive_ && !connection_.context().draining;
    if (!keep_alive_) {
        append_field(out, "Connection", "close");
    } else if (version_ == 10) {
        append_field(out, "Connection", "keep-alive");
    }
    return out;
}

asio::awaitable<Status> RequestResponder::send(Response response) {
    if (state_ != State::kNew) {
        co_return misuse("send");
    }
    state_ = State::kDone;
    std::string head = head_of(response.status, response.headers);
    const bool no_body = bodyless(response.status);
    if (!no_body) {
        append_field(head, "Content-Length", std::to_string(response.body.size()));
    }
    head += "\r\n";
    co_return co_await connection_.write(head, no_body || head_ ? std::string_view() : response.body);
}

asio::awaitable<Status> RequestResponder::start(int status, Headers headers) {
    if (state_ != State::kNew) {
        co_return misuse("start");
    }
    state_ = State::kStreaming;
    if (version_ == 10) {
        keep_alive_ = false;  // without chunks only the connection's end can end the body
    }
    std::string head = head_of(status, headers);
    if (version_ != 10) {
        append_field(head, "Transfer-Encoding", "chunked");
    }
    head += "\r\n";
    co_return co_await connection_.write(head);
}

asio::awaitable<Status> RequestResponder::write(std::string chunk) {
    if (state_ != State::kStreaming) {
        co_return misuse("write");
    }
    if (head_ || chunk.empty()) {
        co_return ok();
    }
    if (version_ == 10) {
        co_return co_await connection_.write(chunk);
    }
    std::array<char, 20> size{};
    char* end = std::to_chars(size.data(), size.data() + 16, chunk.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    co_return co_await connection_.write(std::string_view(size.data(), static_cast<size_t>(end - size.data())), chunk,
                                         "\r\n");
}

asio::awaitable<Status> RequestResponder::finish() {
    if (state_ != State::kStreaming) {
        co_return misuse("finish");
    }
    if (!head_ && version_ != 10) {
        GANTRY_CO_CHECK_OK(co_await connection_.write("0\r\n\r\n"));
    }
    state_ = State::kDone;
    co_return ok();
}

}  // namespace gantry::http
