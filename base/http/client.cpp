#include "base/http/client.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <functional>
#include <limits>
#include <vector>

#include "base/http/link.hpp"
#include "base/http/wire.hpp"

namespace gantry::http {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// As many as calls usually wait at once: what goes beyond pays for a new connection each time.
constexpr size_t kMaxIdle = 512;
/// Shorter than a server's idle time, so that a kept connection is rarely one that the server is closing.
constexpr std::chrono::seconds kMaxIdleAge{30};
constexpr size_t kMaxHeader = 256 * 1024;
constexpr size_t kMaxLine = 4 * 1024 * 1024;

}  // namespace

struct Client::Pool : std::enable_shared_from_this<Client::Pool> {
    Pool(asio::any_io_executor e, Endpoint p, std::shared_ptr<TlsTrust> t)
        : executor(std::move(e)), endpoint(std::move(p)), trust(std::move(t)) {}

    asio::any_io_executor executor;
    Endpoint endpoint;
    std::shared_ptr<TlsTrust> trust;  ///< null: plain
    std::vector<std::unique_ptr<Link>> idle;

    std::unique_ptr<Link> take() {
        const auto now = std::chrono::steady_clock::now();
        while (!idle.empty()) {
            std::unique_ptr<Link> link = std::move(idle.back());
            idle.pop_back();
            if (now - link->kept < kMaxIdleAge && !link->stale()) {
                return link;
            }
        }
        return nullptr;
    }
    void give(std::unique_ptr<Link> link) {
        const auto now = std::chrono::steady_clock::now();
        // The oldest lie in front, where take() may never come: a burst's connections go once they are not needed.
        const auto young =
            std::find_if(idle.begin(), idle.end(), [&](const auto& kept) { return now - kept->kept < kMaxIdleAge; });
        idle.erase(idle.begin(), young);
        if (idle.size() < kMaxIdle && link->input.empty()) {
            link->kept = now;
            idle.push_back(std::move(link));
        }
    }
};

namespace {

std::string request_head(const Request& request, const Endpoint& endpoint) {
    std::string head =
        request.method + " " + (request.target.empty() ? request.path : request.target) + " HTTP/1.1\r\n";
    for (const auto& [name, value] : request.headers.all()) {
        append_field(head, name, value);
    }
    if (!request.headers.find("Host")) {
        append_field(head, "Host", endpoint.unix_socket ? "localhost" : endpoint.text());
    }
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        append_field(head, "Content-Length", std::to_string(request.body.size()));
    }
    head += "\r\n";
    return head;
}

}  // namespace

/// Defined beside the pool that takes its connection back.
class ClientStream final : public ResponseStream {
  public:
    ClientStream(std::unique_ptr<Link> link, MessageParser parser, std::function<void(std::unique_ptr<Link>)> give_back)
        : link_(std::move(link)), parser_(std::move(parser)), give_back_(std::move(give_back)) {
        release_at_end();
    }

    int status() const override { return parser_.status(); }
    const Headers& headers() const override { return const_cast<MessageParser&>(parser_).headers(); }

    asio::awaitable<Result<std::optional<std::string>>> read() override {
        while (parser_.body().empty() && link_) {
            error_code error;
            const size_t count = co_await link_->read_some(link_->piece.data(), link_->piece.size(), error);
            std::optional<WireError> wire;
            if (error == asio::error::eof) {
                wire = parser_.feed_eof();
            } else if (error) {
                link_.reset();
                co_return Error(Code::kUnavailable, "the connection broke off: " + error.message());
            } else {
                wire = feed({link_->piece.data(), count});
            }
            if (wire) {
                link_.reset();
                co_return Error(Code::kUnavailable, "the answer broke off: " + wire->message);
            }
            release_at_end();
        }
        if (parser_.body().empty()) {
            co_return std::optional<std::string>();
        }
        co_return std::optional<std::string>(std::exchange(parser_.body(), {}));
    }

    asio::awaitable<Result<std::string>> read_all(size_t limit) override {
        std::string all;
        while (true) {
            GANTRY_CO_TRY(std::optional<std::string> piece, co_await read());
            if (!piece) {
                co_return all;
            }
            if (all.size() + piece->size() > limit) {
                link_.reset();
                co_return Error(Code::kTooLarge, "the answer is larger than " + std::to_string(limit) + " bytes");
            }
            all += *piece;
        }
    }

  private:
    /// Parses where the bytes lie; only what the parser leaves (the beginning of a chunk's head) is kept.
    std::optional<WireError> feed(std::string_view fresh) {
        std::string& kept = link_->input;
        if (!kept.empty()) {
            kept.append(fresh);
            return parser_.feed(kept);
        }
        auto wire = parser_.feed(fresh);
        kept.assign(fresh);
        return wire;
    }

    void release_at_end() {
        if (link_ && parser_.done()) {
            if (parser_.keep_alive()) {
                give_back_(std::move(link_));
            }
            link_.reset();
        }
    }

    std::unique_ptr<Link> link_;  ///< null once the body is whole
    MessageParser parser_;
    std::function<void(std::unique_ptr<Link>)> give_back_;
};

namespace {

/// What came of one attempt on one connection.
struct Attempt {
    Attempt(bool u, std::optional<Error> e, std::optional<MessageParser> p)
        : untouched(u), error(std::move(e)), parser(std::move(p)) {}
    bool untouched;  ///< the peer closed before the first byte of an answer
    std::optional<Error> error;
    std::optional<MessageParser> parser;
};

asio::awaitable<Attempt> exchange(Link& link, const Request& request, const Endpoint& endpoint) {
    error_code error;
    const std::string head = request_head(request, endpoint);
    co_await link.write(head, request.body, error);
    // A server may refuse and answer before it has read the whole body: look for the answer even so.
    const error_code write_error = error;
    const auto kind = request.method == "HEAD" ? MessageParser::Kind::kResponseToHead : MessageParser::Kind::kResponse;
    MessageParser parser(kind, kMaxHeader, std::numeric_limits<uint64_t>::max());
    bool any = false;
    while (true) {
        const size_t had = link.input.size();
        link.input.resize(had + kReadPiece);
        const size_t count = co_await link.read_some(link.input.data() + had, kReadPiece, error);
        link.input.resize(had + count);
        if (error) {
            const error_code& cause = write_error ? write_error : error;
            co_return Attempt{!any,
                              Error(Code::kUnavailable,
                                    endpoint.text() + " closed the connection without an answer: " + cause.message()),
                              {}};
        }
        any = true;
        while (!link.input.empty()) {
            const size_t before = link.input.size();
            if (auto wire = parser.feed(link.input)) {
                co_return Attempt{
                    false, Error(Code::kUnavailable, endpoint.text() + " answered no HTTP: " + wire->message), {}};
            }
            if (parser.head_done() && parser.status() >= 200) {
                co_return Attempt{false, {}, std::move(parser)};
            }
            if (parser.done()) {
                parser = MessageParser(kind, kMaxHeader, std::numeric_limits<uint64_t>::max());  // after 100 Continue
            } else if (link.input.size() == before) {
                break;
            }
        }
    }
}

}  // namespace

Client::Client(asio::any_io_executor executor, Endpoint endpoint, std::shared_ptr<TlsTrust> trust)
    : pool_(std::make_shared<Pool>(std::move(executor), std::move(endpoint), std::move(trust))) {}

asio::awaitable<Result<std::unique_ptr<ResponseStream>>> Client::open(Request request,
                                                                      std::chrono::milliseconds timeout) {
    const std::shared_ptr<Pool> pool = pool_;
    Deadline deadline(pool->executor, timeout);
    const auto late = [&] {
        return Error(Code::kDeadlineExceeded,
                     pool->endpoint.text() + " did not answer within " + std::to_string(timeout.count()) + " ms");
    };
    for (std::unique_ptr<Link> link = pool->take();;) {
        const bool reused = link != nullptr;
        if (!link) {
            auto fresh = co_await connect(pool->executor, pool->endpoint, deadline);
            if (!fresh) {
                co_return deadline.over() ? late() : fresh.error();
            }
            link = std::move(*fresh);
            if (pool->trust && !pool->endpoint.unix_socket) {
                const Status shaken = co_await link->encrypt(*pool->trust, pool->endpoint);
                if (!shaken) {
                    co_return deadline.over() ? late() : shaken.error();
                }
            }
        }
        deadline.watch(&link->socket);
        Attempt attempt = co_await exchange(*link, request, pool->endpoint);
        deadline.watch(nullptr);
        if (deadline.over()) {
            co_return late();
        }
        if (attempt.parser) {
            co_return std::make_unique<ClientStream>(std::move(link), std::move(*attempt.parser),
                                                     [weak = std::weak_ptr(pool)](std::unique_ptr<Link> used) {
                                                         if (auto alive = weak.lock()) {
                                                             alive->give(std::move(used));
                                                         }
                                                     });
        }
        if (!(reused && attempt.untouched)) {
            co_return std::move(*attempt.error);
        }
        link.reset();  // the kept connection had been closed meanwhile: once more on a fresh one
    }
}

asio::awaitable<Result<Response>> Client::request(Request request, std::chrono::milliseconds timeout) {
    GANTRY_CO_TRY(std::unique_ptr<ResponseStream> stream, co_await open(std::move(request), timeout));
    Response response;
    response.status = stream->status();
    response.headers = stream->headers();
    GANTRY_CO_TRY(response.body, co_await stream->read_all());
    co_return response;
}

asio::awaitable<Result<std::optional<std::string>>> LineReader::next() {
    while (true) {
        const size_t end = buffer_.find('\n', scanned_);
        if (end != std::string::npos) {
            std::string line = buffer_.substr(begin_, end - begin_);
            begin_ = scanned_ = end + 1;
            if (!line.empty() && line.back() == '\r') {
                line.pop_back();
            }
            co_return std::optional<std::string>(std::move(line));
        }
        buffer_.erase(0, std::exchange(begin_, 0));
        scanned_ = buffer_.size();
        if (buffer_.size() > kMaxLine) {
            co_return Error(Code::kTooLarge, "a line is longer than " + std::to_string(kMaxLine) + " bytes");
        }
        if (ended_) {
            if (buffer_.empty()) {
                co_return std::optional<std::string>();
            }
            scanned_ = 0;
            co_return std::optional<std::string>(std::exchange(buffer_, {}));
        }
        GANTRY_CO_TRY(std::optional<std::string> piece, co_await stream_.read());
        if (piece) {
            buffer_ += *piece;
        } else {
            ended_ = true;
        }
    }
}

}  // namespace gantry::http
