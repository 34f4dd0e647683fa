// grammar_bench [MODEL]: what masks cost over a vocabulary of 150,000 tokens (or the model's own): building the trie,
// compiling, the first pass over a document (masks are made) and the second (they are remembered).

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "registry/registry.hpp"
#include "runtime/grammar/ebnf.hpp"
#include "runtime/grammar/matcher.hpp"
#include "runtime/grammar/regex.hpp"
#include "runtime/text/tokenizer.hpp"

namespace {

using namespace gantry;
using Clock = std::chrono::steady_clock;

double micros(Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

/// Words, numbers, punctuation, white space and characters of several scripts, in about a real vocabulary's shares.
std::vector<std::string> synthetic_vocabulary() {
    std::mt19937 random(1);
    std::vector<std::string> out{""};
    for (int byte = 0; byte < 256; ++byte) {
        out.emplace_back(1, static_cast<char>(byte));
    }
    for (const auto* piece : {"\": ", "\": \"", "\", \"", "{\"", "\"}", "},", "[{", "}]", "\",\n", "    ", "\n\n",
                              "true", "false", "null"}) {
        out.emplace_back(piece);
    }
    while (out.size() < 151'000) {
        std::string token = random() % 2 == 0 ? " " : "";
        const auto kind = random() % 20;
        for (size_t length = 2 + random() % 7; length > 0; --length) {
            if (kind < 13) {
                token.push_back(static_cast<char>('a' + random() % 26));
            } else if (kind < 14) {
                token.push_back("(){}[]\",:;=-+/*<>."[random() % 18]);
            } else if (kind < 15) {
                token.push_back(static_cast<char>('0' + random() % 10));
            } else {
                const uint32_t c = kind < 18 ? 0x4E00 + random() % 0x4000 : 0x400 + random() % 0x50;
                if (c >= 0x800) {
                    token.push_back(static_cast<char>(0xE0 | (c >> 12)));
                    token.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
                } else {
                    token.push_back(static_cast<char>(0xC0 | (c >> 6)));
                }
                token.push_back(static_cast<char>(0x80 | (c & 0x3F)));
            }
        }
        out.push_back(std::move(token));
    }
    return out;
}

std::vector<std::string> vocabulary_of(const char* path) {
    const auto manifest = registry::load_manifest(path).value();
    const auto tokenizer = text::Tokenizer::create(manifest.tokenizer).value();
    std::vector<std::string> out;
    for (size_t id = 0; id < tokenizer->vocab_size(); ++id) {
        out.push_back(tokenizer->token_bytes(static_cast<int32_t>(id)));
    }
    return out;
}

/// The longest token that the text goes on with.
int32_t longest(const std::vector<std::string>& vocabulary, std::string_view text) {
    size_t best = 0, length = 0;
    for (size_t id = 0; id < vocabulary.size(); ++id) {
        if (vocabulary[id].size() > length && text.starts_with(vocabulary[id])) {
            best = id;
            length = vocabulary[id].size();
        }
    }
    return static_cast<int32_t>(best);
}

void measure(const char* name, const std::vector<std::string>& vocabulary,
             std::shared_ptr<const grammar::TokenTrie> trie, Result<std::unique_ptr<grammar::Automaton>> (*compile)(),
             std::string_view text) {
    const auto begin = Clock::now();
    const auto shared = std::make_shared<grammar::TokenGrammar>(std::move(trie), compile().value());
    const auto compiled = Clock::now();
    std::vector<int32_t> tokens;
    for (std::string_view left = text; !left.empty();
         left.remove_prefix(vocabulary[static_cast<size_t>(tokens.back())].size())) {
        tokens.push_back(longest(vocabulary, left));
    }
    double slowest = 0;
    std::vector<double> mean;
    for (int pass = 0; pass < 2; ++pass) {
        grammar::GrammarMatcher matcher(shared);
        const auto pass_begin = Clock::now();
        for (const int32_t token : tokens) {
            const auto mask_begin = Clock::now();
            const bool allowed = (*matcher.mask())->test(static_cast<size_t>(token));
            slowest = std::max(slowest, micros(Clock::now() - mask_begin));
            if (!allowed || !matcher.accept(token)) {
                fmt::print("{}: the text leaves the grammar\n", name);
                return;
            }
            (void)matcher.must_end();
        }
        mean.push_back(micros(Clock::now() - pass_begin) / static_cast<double>(tokens.size()));
    }
    fmt::print(
        "{:<14} compile {:7.0f} us  {:4} tokens  first pass {:8.1f} us/token  slowest mask {:7.0f} us  later {:6.2f} "
        "us/token"
        "  {} states\n",
        name, micros(compiled - begin), tokens.size(), mean[0], slowest, mean[1], shared->automaton().state_count());
}

Result<std::unique_ptr<grammar::Automaton>> json() {
    grammar::Rules rules;
    const auto root = grammar::parse_ebnf(rules, R"g(
root   ::= object
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (string ws ":" ws value ws ("," ws string ws ":" ws value ws)*)? "}"
array  ::= "[" ws (value ws ("," ws value ws)*)? "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
ws     ::= [ \n]{0,40}
)g")
                          .value();
    return grammar::rules_automaton(rules, root);
}

}  // namespace

int main(int argc, char** argv) {
    const auto vocabulary = argc > 1 ? vocabulary_of(argv[1]) : synthetic_vocabulary();
    const auto begin = Clock::now();
    const auto trie = std::make_shared<const grammar::TokenTrie>(vocabulary);
    fmt::print("{} tokens, {} nodes, built in {:.0f} ms\n", vocabulary.size(), trie->node_count(),
               micros(Clock::now() - begin) / 1000);
    std::string document = "{\"people\": [";
    for (int i = 0; i < 40; ++i) {
        document += fmt::format(
            "{}{{\"name\": \"person number {}\", \"age\": {}, \"tags\": [\"a\", \"b c\"], \"address\": {{\"city\": "
            "\"Springfield\", \"zip\": \"{:05}\"}}, \"active\": true}}",
            i > 0 ? ", " : "", i, 20 + i, i * 977);
    }
    document += "]}";
    measure("json", vocabulary, trie, json, document);
    measure(
        "record", vocabulary, trie,
        [] {
            return grammar::regex_automaton(R"(\{"name": "[^"\\]{1,60}", "age": \d{1,3}, "mail": "[a-z.]+@[a-z.]+"\})");
        },
        R"({"name": "somebody with a long name", "age": 42, "mail": "some.body@example.org"})");
    measure(
        "prose", vocabulary, trie, [] { return grammar::regex_automaton("[^<>]*<answer>\\d+</answer>"); },
        "let me think about this for a while before i answer <answer>42</answer>");
}
