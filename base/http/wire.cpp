#include "base/http/wire.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>
#include <limits>

namespace gantry::http {
namespace {

namespace bh = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

struct Message {
    std::string method, target, body;
    Headers headers;
    int status = 0;
    int version = 11;
};

std::string_view std_view(string_view text) { return {text.data(), text.size()}; }

/// Beast's parser with our message as its target.
template <bool is_request>
class Parser final : public bh::basic_parser<is_request> {
  public:
    Message message;
    uint64_t chunk_left = 0;  ///< bytes of the current chunk that are to come
    size_t head_taken = 0;    ///< bytes of the head so far

    /// Whether the next bytes are a chunk's first line.
    bool before_chunk() const { return this->is_header_done() && this->chunked() && chunk_left == 0; }

  private:
    void on_request_impl(bh::verb, string_view method, string_view target, int version, error_code&) override {
        message.method = std_view(method);
        message.target = std_view(target);
        message.version = version;
    }
    void on_response_impl(int code, string_view, int version, error_code&) override {
        message.status = code;
        message.version = version;
    }
    void on_field_impl(bh::field, string_view name, string_view value, error_code&) override {
        message.headers.add(std_view(name), std_view(value));
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<uint64_t>& length, error_code&) override {
        // Not more than a megabyte on a sender's word alone.
        message.body.reserve(static_cast<size_t>(std::min<uint64_t>(length.value_or(0), 1 << 20)));
    }
    size_t on_body_impl(string_view body, error_code&) override {
        message.body.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(uint64_t size, string_view, error_code&) override { chunk_left = size; }
    size_t on_chunk_body_impl(uint64_t, string_view body, error_code&) override {
        chunk_left -= body.size();
        message.body.append(body.data(), body.size());
        return body.size();
    }
    void on_finish_impl(error_code&) override {}
};

WireError header_too_large(size_t max_header) {
    return {431, "the header is larger than " + std::to_string(max_header) + " bytes"};
}

WireError describe(const error_code& error, size_t max_header, uint64_t max_body) {
    if (error == bh::error::header_limit) {
        return header_too_large(max_header);
    }
    if (error == bh::error::body_limit) {
        return {413, "the body is larger than " + std::to_string(max_body) + " bytes"};
    }
    if (error == bh::error::partial_message || error == bh::error::end_of_stream) {
        return {400, "the message was cut short"};
    }
    return {400, "this is not well-formed HTTP: " + error.message()};
}

/// The last chunk, "0\r\n\r\n". Beast asserts that it has as much when it looks a second time at one that is not whole,
/// and no message ends with less.
constexpr size_t kLastChunk = 5;

template <class P>
std::optional<WireError> put(P& parser, std::string_view& input, size_t max_header, uint64_t max_body) {
    while (!input.empty() && !parser.is_done()) {
        if (parser.before_chunk() && input.size() < kLastChunk) {
            return std::nullopt;
        }
        error_code error;
        const bool in_head = !parser.is_header_done();
        const size_t used = parser.put(boost::asio::const_buffer(input.data(), input.size()), error);
        input.remove_prefix(used);
        if (in_head && (!error || error == bh::error::need_more)) {
            parser.head_taken += used;
            const bool ended = parser.is_header_done();
            if (parser.head_taken + (ended ? 0 : input.size()) > max_header) {
                return header_too_large(max_header);
            }
            parser.eager(ended);
        }
        if (error == bh::error::need_more) {
            return std::nullopt;
        }
        if (error) {
            return describe(error, max_header, max_body);
        }
        if (used == 0) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

template <class P>
void configure(P& parser, size_t max_header, uint64_t max_body) {
    // What Beast counts towards its limit depends on how the bytes are cut: put() keeps the exact one, so each head is
    // read by itself.
    parser.eager(false);
    parser.header_limit(
        static_cast<uint32_t>(std::min<size_t>(2 * max_header + 64, std::numeric_limits<uint32_t>::max())));
    parser.body_limit(max_body);
}

}  // namespace

struct MessageParser::Impl {
    Impl(bool request, size_t header, uint64_t body) : is_request(request), max_header(header), max_body(body) {}
    bool is_request;
    size_t max_header;
    uint64_t max_body;
    std::unique_ptr<Parser<true>> request;
    std::unique_ptr<Parser<false>> response;

    Message& message() { return is_request ? request->message : response->message; }
    template <class F>
    auto visit(F f) const {
        return is_request ? f(*request) : f(*response);
    }
};

MessageParser::MessageParser(Kind kind, size_t max_header_bytes, uint64_t max_body_bytes)
    : impl_(std::make_unique<Impl>(kind == Kind::kRequest, max_header_bytes, max_body_bytes)) {
    if (impl_->is_request) {
        impl_->request = std::make_unique<Parser<true>>();
        configure(*impl_->request, max_header_bytes, max_body_bytes);
    } else {
        impl_->response = std::make_unique<Parser<false>>();
        configure(*impl_->response, max_header_bytes, max_body_bytes);
        impl_->response->skip(kind == Kind::kResponseToHead);
    }
}

MessageParser::~MessageParser() = default;
MessageParser::MessageParser(MessageParser&&) noexcept = default;
MessageParser& MessageParser::operator=(MessageParser&&) noexcept = default;

std::optional<WireError> MessageParser::feed(std::string_view& input) {
    return impl_->visit([&](auto& p) { return put(p, input, impl_->max_header, impl_->max_body); });
}

std::optional<WireError> MessageParser::feed(std::string& input) {
    std::string_view rest = input;
    auto error = feed(rest);
    input.erase(0, input.size() - rest.size());
    return error;
}

std::optional<WireError> MessageParser::feed_eof() {
    return impl_->visit([&](auto& p) -> std::optional<WireError> {
        error_code error;
        p.put_eof(error);
        if (error) {
            return describe(error, impl_->max_header, impl_->max_body);
        }
        return std::nullopt;
    });
}

bool MessageParser::head_done() const {
    return impl_->visit([](auto& p) { return p.is_header_done(); });
}
bool MessageParser::done() const {
    return impl_->visit([](auto& p) { return p.is_done(); });
}
bool MessageParser::keep_alive() const {
    return impl_->visit([](auto& p) { return p.keep_alive(); });
}
int MessageParser::version() const { return impl_->message().version; }
int MessageParser::status() const { return impl_->message().status; }
std::string& MessageParser::method() { return impl_->message().method; }
std::string& MessageParser::target() { return impl_->message().target; }
Headers& MessageParser::headers() { return impl_->message().headers; }
std::string& MessageParser::body() { return impl_->message().body; }

std::string_view reason_phrase(int status) {
    if (status == 499) {
        return "Client Closed Request";
    }
    const auto known = bh::int_to_status(static_cast<unsigned>(status));
    return known == bh::status::unknown ? "Status" : std_view(bh::obsolete_reason(known));
}

void append_status_line(std::string& out, int status) {
    out += "HTTP/1.1 ";
    out += std::to_string(status);
    out += ' ';
    out += reason_phrase(status);
    out += "\r\n";
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    for (const char c : value) {
        out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    }
    out += "\r\n";
}

}  // namespace gantry::http
