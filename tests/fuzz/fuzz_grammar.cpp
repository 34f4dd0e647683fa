// The first byte chooses a notation, the rest is a pattern, grammar or structural tag. Whatever it is, it compiles or
// gives an error; and what compiles can be walked: a live state accepts or has a byte that leads on.

#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/grammar/ebnf.hpp"
#include "runtime/grammar/lark.hpp"
#include "runtime/grammar/regex.hpp"
#include "runtime/grammar/structural_tag.hpp"

namespace {

using namespace gantry;
using AutomatonResult = Result<std::unique_ptr<grammar::Automaton>>;

AutomatonResult from_rules(Result<grammar::RuleId> (*parse)(grammar::Rules&, std::string_view), std::string_view text) {
    grammar::Rules rules;
    GANTRY_TRY(const grammar::RuleId root, parse(rules, text));
    return grammar::rules_automaton(rules, root);
}

AutomatonResult compile(uint8_t notation, std::string_view text) {
    switch (notation % 5) {
        case 0:
            return grammar::regex_automaton(text);
        case 1:
            return grammar::regex_automaton(text, {true, true, true});
        case 2:
            return from_rules(grammar::parse_ebnf, text);
        case 3:
            return from_rules(grammar::parse_lark, text);
        default:
            break;
    }
    boost::system::error_code ec;
    const auto tags = boost::json::parse(text, ec);
    if (ec) {
        return Error{Code::kInvalidArgument, "no JSON"};
    }
    return grammar::structural_tag_automaton(tags, [](const boost::json::value& schema) {
        return grammar::regex_automaton(schema.is_string() ? std::string_view(schema.get_string()) : "a|b");
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0 || size > 4096) {
        return 0;
    }
    const auto automaton = compile(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
    if (!automaton) {
        return 0;
    }
    grammar::Automaton& a = **automaton;
    uint32_t random = static_cast<uint32_t>(size) * 2654435761u;
    auto state = a.start();
    for (int step = 0; step < 50; ++step) {
        auto next = grammar::Automaton::kDead;
        for (int i = 0; i < 256 && next == grammar::Automaton::kDead; ++i) {
            next = a.next(state, static_cast<uint8_t>(static_cast<uint32_t>(i) + random));
        }
        if (next == grammar::Automaton::kDead) {
            if (!a.accepts(state)) {
                std::abort();
            }
            return 0;
        }
        state = next;
        random = random * 1664525u + 1013904223u;
    }
    return 0;
}
