// Requests as bytes, as the server's front takes them: whatever they are, no crash; and however they are cut into
// pieces, the same message or the same refusal comes out, within the limits.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/http/types.hpp"
#include "base/http/wire.hpp"
#include "base/json.hpp"
#include "base/trace_context.hpp"

namespace {

using namespace gantry;

constexpr size_t kMaxHeader = 4096;
constexpr uint64_t kMaxBody = 16384;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

struct Read {
    int refused = 0;  ///< the status, 0: it was taken
    std::string head, body, rest;
    bool done = false, keep_alive = false;
    bool operator==(const Read&) const = default;
};

std::string head_of(http::MessageParser& parser) {
    std::string out = parser.method() + ' ' + parser.target();
    for (const auto& [name, value] : parser.headers().all()) {
        out += '\n' + name + ':' + value;
    }
    return out;
}

/// `step`: how many bytes come at a time.
Read read(std::string_view bytes, size_t step) {
    http::MessageParser parser(http::MessageParser::Kind::kRequest, kMaxHeader, kMaxBody);
    Read out;
    std::string buffer;
    while (!parser.done() && !bytes.empty()) {
        const std::string_view piece = bytes.substr(0, step);
        buffer += piece;
        bytes.remove_prefix(piece.size());
        if (const auto error = parser.feed(buffer)) {
            out.refused = error->status;
            check(error->status >= 400 && error->status < 600 && !error->message.empty());
            return out;
        }
    }
    out.done = parser.done();
    if (out.done) {
        out.rest = buffer + std::string(bytes);
        out.head = head_of(parser);
        out.body = parser.body();
        out.keep_alive = parser.keep_alive();
        check(out.body.size() <= kMaxBody);
    }
    return out;
}

/// What the front does with the parts of a head.
void use_parts(const Read& message) {
    http::Request request;
    const size_t begin = message.head.find(' ') + 1;
    request.target = message.head.substr(begin, message.head.find('\n') - begin);
    if (http::split_target(request)) {
        check(!request.path.empty() && request.path.find('\0') == std::string::npos);
        const auto again = http::percent_decode(http::percent_encode(request.path));
        check(again && *again == request.path);
    }
    (void)parse_traceparent(message.head);
    (void)json::parse_object(message.body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Read whole = read(bytes, bytes.size());
    const Read pieces = read(bytes, size_t{1} + data[0] % 64);
    // What is wrong in a message that is not whole yet may be told now or later; what is whole has one meaning.
    check(whole.done == pieces.done);
    if (whole.done) {
        check(whole == pieces);
        use_parts(whole);
    }
    return 0;
}
