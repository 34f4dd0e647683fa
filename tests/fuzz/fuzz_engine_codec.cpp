// The JSON forms of requests and events: whatever the bytes, no crash; what is taken comes back unchanged.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "runtime/engine/types.hpp"

namespace {

using namespace gantry::engine;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void event(std::string_view text) {
    const auto read = event_from_json(text);
    if (read.has_error()) {
        return;
    }
    std::string line;
    append_json_line(*read, line);
    const auto again = event_from_json(line);
    check(!again.has_error());
    std::string second;
    append_json_line(*again, second);
    check(line == second);
}

void request(std::string_view text) {
    boost::json::error_code ec;
    const auto value = boost::json::parse(text, ec);
    if (ec) {
        return;
    }
    const auto read = generate_request_from_json(value);
    if (!read) {
        check(!read.error().message.empty());
        return;
    }
    const auto json = to_json(*read);
    const auto again = generate_request_from_json(json);
    check(again.has_value() && to_json(*again) == json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    event(text);
    request(text);
    return 0;
}
