#pragma once

/// HTTP/1.1 messages as bytes: parsing without sockets, and heads. Internal to base/http.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/http/types.hpp"

namespace gantry::http {

/// Why a message was refused, with the status that says so.
struct WireError {
    WireError(int s, std::string m) : status(s), message(std::move(m)) {}
    int status;
    std::string message;
};

/// Parses one message out of bytes as they come. The limits hold for the very parser that reads the body.
class MessageParser {
  public:
    enum class Kind { kRequest, kResponse, kResponseToHead };

    MessageParser(Kind kind, size_t max_header_bytes, uint64_t max_body_bytes);
    ~MessageParser();
    MessageParser(MessageParser&&) noexcept;
    MessageParser& operator=(MessageParser&&) noexcept;

    /// Takes what it can from the front of `input`; body bytes land in `body()`.
    std::optional<WireError> feed(std::string_view& input);
    /// The same with bytes that are kept; what was taken is erased.
    std::optional<WireError> feed(std::string& input);
    /// The peer closed: ends a body that runs to the end of the connection, else an error.
    std::optional<WireError> feed_eof();

    bool head_done() const;
    bool done() const;
    bool keep_alive() const;
    int version() const;  ///< 10 or 11
    int status() const;
    std::string& method();
    std::string& target();
    Headers& headers();
    std::string& body();  ///< what has come so far; the owner may take it away

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Standard reason phrase ("Not Found"), "Status" for an unknown number.
std::string_view reason_phrase(int status);

/// "HTTP/1.1 200 OK\r\n" and the fields; no empty line at the end.
void append_status_line(std::string& out, int status);
/// One field. CR, LF and NUL in a value become spaces, so that no value can add a field.
void append_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace gantry::http
