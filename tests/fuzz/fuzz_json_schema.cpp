// A schema, a zero byte, an instance: whatever the bytes, no crash; where the reader goes on it can say so, and what it
// accepts is JSON.

#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.hpp"
#include "runtime/grammar/schema/schema.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using gantry::grammar::Automaton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto cut = std::min(text.find('\0'), text.size());
    const auto schema = gantry::json::parse(text.substr(0, cut));
    if (!schema) {
        return 0;
    }
    gantry::grammar::SchemaOptions options;
    options.max_pattern_states = 2000;
    options.max_terms = 2000;
    const auto made = gantry::grammar::json_schema_automaton(*schema, options);
    if (!made) {
        if (made.error().message.empty()) {
            std::abort();
        }
        return 0;
    }
    Automaton& automaton = **made;
    auto state = automaton.start();
    const auto instance = text.substr(std::min(cut + 1, text.size()));
    for (const char byte : instance) {
        state = automaton.next(state, static_cast<uint8_t>(byte));
        if (state == Automaton::kDead) {
            return 0;
        }
    }
    if (automaton.accepts(state) && !gantry::json::parse(instance)) {
        std::abort();
    }
    return 0;
}
