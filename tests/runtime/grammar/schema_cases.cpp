// Reads cases as lines of JSON from standard input and writes what the schema automaton makes of each, a line for a
// line: the JSON-Schema-Test-Suite is driven through it (schema_suite_test.py), and a schema can be tried by hand:
//   echo '{"schema": {"type": "integer"}, "instances": ["12", "x"], "generate": 3}' | schema_cases
//
// In:  schema, instances (texts), generate (how many), seed, options {any_whitespace, any_number_spelling, strict},
// place ("reasoning": behind "</think>"; "call": as the arguments of a call among text), before (the text so far)
// Out: error, or accepted (a list of bools), generated (texts), stuck (texts that came to a dead end), unfinished
// (texts for which the short search found no end), compile_us

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/grammar/composite.hpp"
#include "runtime/grammar/schema/schema.hpp"
#include "runtime/grammar/structural_tag.hpp"

namespace {

namespace bj = boost::json;
using gantry::grammar::Automaton;

bool accepts(Automaton& automaton, std::string_view text) {
    auto state = automaton.start();
    for (const char c : text) {
        state = automaton.next(state, static_cast<uint8_t>(c));
        if (state == Automaton::kDead) {
            return false;
        }
    }
    return automaton.accepts(state);
}

/// Appends a cheap way to an accepted text: few bytes, new objects and arrays only where nothing else ends. False when
/// there is none within `limit` states.
bool finish(Automaton& automaton, Automaton::State from, size_t limit, std::string& text) {
    struct Step {
        Automaton::State before;
        char byte;
    };
    std::unordered_map<Automaton::State, Step> seen;
    std::map<size_t, std::vector<std::pair<Automaton::State, Step>>> todo;  // by cost
    todo[0].push_back({from, {from, 0}});
    while (!todo.empty() && seen.size() < limit) {
        const size_t cost = todo.begin()->first;
        auto& ready = todo.begin()->second;
        const auto [at, step] = ready.back();
        ready.pop_back();
        if (ready.empty()) {
            todo.erase(todo.begin());
        }
        if (!seen.emplace(at, step).second) {
            continue;
        }
        if (automaton.accepts(at)) {
            std::string way;
            for (auto back = at; back != from; back = seen.at(back).before) {
                way += seen.at(back).byte;
            }
            text.append(way.rbegin(), way.rend());
            return true;
        }
        for (unsigned byte = '\n'; byte < 0x7F; ++byte) {
            if (byte == '\\' || (byte < 0x20 && byte != '\n')) {
                continue;  // thousands of states for characters that are there without it
            }
            const auto to = automaton.next(at, static_cast<uint8_t>(byte));
            if (to != Automaton::kDead && !seen.contains(to)) {
                const bool opens = byte == '[' || byte == '{' || byte == ' ' || byte == '\n';
                todo[cost + (opens ? 8 : 1)].push_back({to, {at, static_cast<char>(byte)}});
            }
        }
    }
    return false;
}

enum class Outcome { kDone, kUnfinished, kStuck };

/// Bytes at random; behind `length` of them the way to the next end, or where that is far, what tends to end values.
Outcome generate(Automaton& automaton, Automaton::State state, std::mt19937_64& random, size_t length,
                 std::string& text) {
    constexpr std::string_view kEnding = "\"}]:0123456789nl.,tfe";
    constexpr size_t kMost = 200;
    constexpr size_t kNear = 500;
    for (size_t step = 0; text.size() < kMost; ++step) {
        std::string allowed;
        for (unsigned byte = 0; byte < 256; ++byte) {
            if (automaton.next(state, static_cast<uint8_t>(byte)) != Automaton::kDead) {
                allowed += static_cast<char>(byte);
            }
        }
        const bool done = automaton.accepts(state);
        if (allowed.empty() || (done && (text.size() > length || random() % 4 == 0))) {
            return done ? Outcome::kDone : Outcome::kStuck;
        }
        if (text.size() > length && step % 16 == 0 && finish(automaton, state, kNear, text)) {
            return Outcome::kDone;
        }
        char byte = allowed[random() % allowed.size()];
        const bool blank = byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
        if ((blank || byte == '\\') && random() % 4 != 0) {
            byte = allowed[random() % allowed.size()];
        }
        const auto ending =
            std::find_if(kEnding.begin(), kEnding.end(), [&](char c) { return allowed.find(c) != std::string::npos; });
        if (text.size() > length && random() % 4 != 0 && ending != kEnding.end()) {
            byte = *ending;
        }
        text += byte;
        state = automaton.next(state, static_cast<uint8_t>(byte));
    }
    return finish(automaton, state, 10 * kNear, text) ? Outcome::kDone : Outcome::kUnfinished;
}

gantry::Result<std::unique_ptr<Automaton>> compile(const bj::value& schema, std::string_view place,
                                                   const gantry::grammar::SchemaOptions& options) {
    using gantry::grammar::Composite;
    const auto schema_automaton = [&](const bj::value& value) {
        return gantry::grammar::json_schema_automaton(value, options);
    };
    if (place == "call") {
        bj::object tag{{"type", "tag"},
                       {"begin", "<tool_call>\n{\"name\": \"f\", \"arguments\": "},
                       {"content", {{"type", "json_schema"}, {"json_schema", schema}}},
                       {"end", "}\n</tool_call>"}};
        return gantry::grammar::structural_tag_automaton(bj::object{{"format",
                                                                     {{"type", "triggered_tags"},
                                                                      {"triggers", bj::array{"<tool_call>"}},
                                                                      {"tags", bj::array{tag}},
                                                                      {"stop_after_first", true}}}},
                                                         schema_automaton);
    }
    auto made = schema_automaton(schema);
    if (!made || place.empty()) {
        return made;
    }
    Composite out;
    const auto start = out.add_node(), open = out.add_node(), end = out.add_node();
    out.add_free_text(start, std::vector<std::string>{"</think>"}, std::vector{open}, {});
    out.add_automaton(open, std::move(*made), end);
    return std::move(out).build(start, end);
}

std::string text_member(const bj::object& in, std::string_view name) {
    const auto* found = in.if_contains(name);
    return found != nullptr ? std::string(found->as_string()) : std::string();
}

bj::object answer(const bj::object& in) {
    bj::object out;
    gantry::grammar::SchemaOptions options;
    options.any_number_spelling = true;
    if (const auto* given = in.if_contains("options")) {
        const auto flag = [&](const char* name, bool& value) {
            if (const auto* set = given->as_object().if_contains(name)) {
                value = set->as_bool();
            }
        };
        flag("any_whitespace", options.any_whitespace);
        flag("any_number_spelling", options.any_number_spelling);
        flag("strict", options.strict);
    }
    const auto begin = std::chrono::steady_clock::now();
    auto made = compile(in.at("schema"), text_member(in, "place"), options);
    const auto end = std::chrono::steady_clock::now();
    out["compile_us"] = std::chrono::duration_cast<std::chrono::microseconds>(end - begin).count();
    if (!made) {
        out["error"] = made.error().message;
        return out;
    }
    Automaton& automaton = **made;
    bj::array accepted;
    if (const auto* instances = in.if_contains("instances")) {
        for (const auto& text : instances->as_array()) {
            accepted.emplace_back(accepts(automaton, text.as_string()));
        }
    }
    out["accepted"] = std::move(accepted);
    const auto* seed = in.if_contains("seed");
    std::mt19937_64 random(seed != nullptr ? seed->to_number<uint64_t>() : 1);
    auto begun = automaton.start();
    for (const char c : text_member(in, "before")) {
        begun = automaton.next(begun, static_cast<uint8_t>(c));
    }
    bj::array generated;
    int64_t stuck = 0, unfinished = 0;
    const auto* wanted = in.if_contains("generate");
    for (int64_t i = 0; i < (wanted != nullptr ? wanted->as_int64() : 0); ++i) {
        std::string text;
        const Outcome outcome = generate(automaton, begun, random, 10 + random() % 60, text);
        if (outcome == Outcome::kDone) {
            generated.emplace_back(text);
        } else {
            (outcome == Outcome::kStuck ? stuck : unfinished) += 1;
            out["last_text"] = text.substr(0, 300);
        }
    }
    out["generated"] = std::move(generated);
    out["stuck"] = stuck;
    out["unfinished"] = unfinished;
    out["states"] = automaton.state_count();
    return out;
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        bj::error_code error;
        bj::parse_options parse;
        parse.max_depth = 200;
        const bj::value value = bj::parse(line, error, {}, parse);
        if (error || !value.is_object()) {
            std::cout << R"({"error": "the case is not a JSON object"})" << std::endl;
            continue;
        }
        std::cout << bj::serialize(answer(value.as_object())) << std::endl;
    }
    return 0;
}
