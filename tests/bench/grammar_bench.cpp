// grammar_bench [VOCABULARY]: what structured output costs over a vocabulary of 150,000 tokens: the trie; then, for
// each of the usual kinds of schema and a few other grammars, compiling, the first document (masks are made) and the
// second (they are remembered). VOCABULARY is a model, or a file *.tiktoken (a token in base64 and its rank a line;
// qwen.tiktoken of the PyPI package dashscope is a real one); without it the vocabulary is made up.

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "registry/registry.hpp"
#include "runtime/grammar/ebnf.hpp"
#include "runtime/grammar/matcher.hpp"
#include "runtime/grammar/regex.hpp"
#include "runtime/grammar/schema/schema.hpp"
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

std::string from_base64(std::string_view text) {
    std::string out;
    uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const size_t digit = kDigits.find(c);
        if (digit == std::string_view::npos) {
            break;
        }
        bits = (bits << 6) | static_cast<uint32_t>(digit);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<char>(bits >> count));
        }
    }
    return out;
}

std::vector<std::string> vocabulary_of(const std::string& path) {
    std::vector<std::string> out;
    if (path.ends_with(".tiktoken")) {
        std::ifstream file(path);
        std::string token;
        for (size_t rank = 0; file >> token >> rank;) {
            out.resize(std::max(out.size(), rank + 1));
            out[rank] = from_base64(token);
        }
        return out;
    }
    const auto manifest = registry::load_manifest(path).value();
    const auto tokenizer = text::Tokenizer::create(manifest.tokenizer).value();
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

struct Case {
    const char* name;
    std::function<Result<std::unique_ptr<grammar::Automaton>>()> compile;
    std::string text;  ///< a document of the language
};

double part(std::vector<double> values, double share) {
    const auto nth = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
    std::ranges::nth_element(values, nth);
    return *nth;
}

void measure(const Case& c, const std::vector<std::string>& vocabulary,
             const std::shared_ptr<const grammar::TokenTrie>& trie) {
    const auto begin = Clock::now();
    const auto shared = std::make_shared<grammar::TokenGrammar>(trie, c.compile().value());
    shared->warm_up();
    const double compile = micros(Clock::now() - begin);
    std::vector<int32_t> tokens;
    for (std::string_view left = c.text; !left.empty();
         left.remove_prefix(vocabulary[static_cast<size_t>(tokens.back())].size())) {
        tokens.push_back(longest(vocabulary, left));
    }
    std::array<std::vector<double>, 2> times;  // of the two passes
    for (std::vector<double>& pass : times) {
        grammar::GrammarMatcher matcher(shared);
        for (const int32_t token : tokens) {
            const auto mask_begin = Clock::now();
            const bool allowed = (*matcher.mask())->test(static_cast<size_t>(token));
            const bool accepted = allowed && matcher.accept(token);
            (void)(accepted && matcher.must_end());
            pass.push_back(micros(Clock::now() - mask_begin));
            if (!accepted) {
                fmt::print("{}: the text leaves the grammar at {}\n", c.name, pass.size());
                return;
            }
        }
    }
    const auto mean = [](const std::vector<double>& all) {
        double sum = 0;
        for (const double value : all) {
            sum += value;
        }
        return sum / static_cast<double>(all.size());
    };
    fmt::print("{:<22} {:8.1f} {:7} {:9.1f} {:9.1f} {:9.1f} {:9.1f} {:9.2f} {:9.2f} {:8}\n", c.name, compile / 1000,
               tokens.size(), mean(times[0]), part(times[0], 0.5), part(times[0], 0.99), part(times[0], 1),
               part(times[1], 0.5), part(times[1], 0.99), shared->automaton().state_count());
}

Case schema(const char* name, std::string text, std::string document) {
    return {name, [text = std::move(text)] { return grammar::json_schema_automaton(json::parse(text).value()); },
            std::move(document)};
}

Case ebnf(const char* name, std::string text, std::string document) {
    return {name,
            [text = std::move(text)]() -> Result<std::unique_ptr<grammar::Automaton>> {
                grammar::Rules rules;
                GANTRY_TRY(const auto root, grammar::parse_ebnf(rules, text));
                return grammar::rules_automaton(rules, root);
            },
            std::move(document)};
}

Case regex(const char* name, const char* text, std::string document) {
    return {name, [text] { return grammar::regex_automaton(text); }, std::move(document)};
}

std::vector<Case> cases() {
    std::string people = "{\"people\": [";
    for (int i = 0; i < 40; ++i) {
        people += fmt::format(
            "{}{{\"name\": \"person number {}\", \"age\": {}, \"tags\": [\"a\", \"b c\"], \"address\": {{\"city\": "
            "\"Springfield\", \"zip\": \"{:05}\"}}, \"active\": true}}",
            i > 0 ? ", " : "", i, 20 + i, i * 977);
    }
    people += "]}";
    std::vector<Case> all;
    all.push_back(schema("tool call",
                         R"({"type":"object","properties":{"location":{"type":"string","description":"city"},
"unit":{"enum":["celsius","fahrenheit"]},"days":{"type":"integer"}},"required":["location"],
"additionalProperties":false})",
                         R"({"location": "Paris, France", "unit": "celsius", "days": 3})"));
    all.push_back(schema("tool call, 8 fields",
                         R"({"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer",
"minimum":1,"maximum":100},"offset":{"type":"integer","minimum":0},"sort":{"enum":["relevance","date","price"]},
"filters":{"type":"array","items":{"type":"string"}},"exact":{"type":"boolean"},"language":{"type":["string","null"]},
"boost":{"type":"number"}},"required":["query","limit"],"additionalProperties":false})",
                         R"({"query": "second hand bicycles near me", "limit": 25, "offset": 0, "sort": "price", )"
                         R"("filters": ["city", "road bike"], "exact": false, "language": null, "boost": 1.5})"));
    all.push_back(schema("nested objects",
                         R"({"type":"object","properties":{"people":{"type":"array","items":{"type":"object",
"properties":{"name":{"type":"string"},"age":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}},
"address":{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"string"}},"required":["city","zip"],
"additionalProperties":false},"active":{"type":"boolean"}},"required":["name","age"],"additionalProperties":false}}},
"required":["people"],"additionalProperties":false})",
                         people));
    all.push_back(schema("open object", R"({"type":"object","properties":{"name":{"type":"string"}}})", people));
    all.push_back(schema("JSON mode", R"({"type":"object"})", people));
    std::string names;
    for (int i = 0; i < 60; ++i) {
        names += fmt::format("{}\"category {}\"", i > 0 ? "," : "", i);
    }
    all.push_back(schema("enum of 60",
                         R"({"type":"object","properties":{"label":{"enum":[)" + names +
                             R"(]},"confidence":{"type":"number","minimum":0,"maximum":1}},
"required":["label","confidence"],"additionalProperties":false})",
                         R"({"label": "category 42", "confidence": 0.875})"));
    all.push_back(schema("array of numbers", R"({"type":"array","items":{"type":"number"},"minItems":3,"maxItems":50})",
                         "[1, 2.5, -3.75, 400, 5e3, 0.001, 12345.678, 9]"));
    all.push_back(schema("strings, maxLength",
                         R"({"type":"object","properties":{"title":{"type":"string","minLength":1,"maxLength":80},
"summary":{"type":"string","maxLength":400}},"required":["title","summary"],"additionalProperties":false})",
                         R"({"title": "A report on the state of things", "summary": "All is well, on the whole, and )"
                         R"(nothing of note has happened since the last report, which said the same."})"));
    all.push_back(schema("strings, pattern",
                         R"({"type":"object","properties":{"sku":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4,6}$"},
"phone":{"type":"string","pattern":"^\\+?[0-9 ]{7,15}$"},"slug":{"type":"string","pattern":"^[a-z0-9-]+$"}},
"required":["sku","phone","slug"],"additionalProperties":false})",
                         R"({"sku": "ABC-12345", "phone": "+49 30 1234567", "slug": "a-short-text-about-things"})"));
    all.push_back(schema("formats",
                         R"({"type":"object","properties":{"id":{"type":"string","format":"uuid"},
"at":{"type":"string","format":"date-time"},"mail":{"type":"string","format":"email"},
"home":{"type":"string","format":"uri"}},"required":["id","at","mail"],"additionalProperties":false})",
                         R"({"id": "123e4567-e89b-12d3-a456-426614174000", "at": "2024-05-06T07:08:09Z", )"
                         R"("mail": "somebody@example.org", "home": "https://example.org/a/b?c=d"})"));
    all.push_back(schema("numbers in ranges",
                         R"({"type":"object","properties":{"lat":{"type":"number","minimum":-90,"maximum":90},
"lon":{"type":"number","minimum":-180,"maximum":180},"port":{"type":"integer","minimum":1,"maximum":65535},
"step":{"type":"number","multipleOf":0.25}},"required":["lat","lon","port"],"additionalProperties":false})",
                         R"({"lat": 52.520008, "lon": 13.404954, "port": 8080, "step": 0.75})"));
    all.push_back(schema("tagged union",
                         R"({"$defs":{"text":{"type":"object","properties":{"type":{"const":"text"},"text":
{"type":"string"}},"required":["type","text"],"additionalProperties":false},"image":{"type":"object","properties":
{"type":{"const":"image"},"url":{"type":"string"},"width":{"type":"integer"}},"required":["type","url"],
"additionalProperties":false}},"type":"object","properties":{"parts":{"type":"array","items":{"anyOf":
[{"$ref":"#/$defs/text"},{"$ref":"#/$defs/image"}]}}},"required":["parts"],"additionalProperties":false})",
                         R"({"parts": [{"type": "text", "text": "look at this"}, {"type": "image", "url": )"
                         R"("https://example.org/x.png", "width": 640}]})"));
    all.push_back(schema("recursion",
                         R"({"$defs":{"node":{"type":"object","properties":{"value":{"type":"string"},"children":
{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["value"],"additionalProperties":false}},
"$ref":"#/$defs/node"})",
                         R"({"value": "root", "children": [{"value": "left", "children": [{"value": "leaf"}]}, )"
                         R"({"value": "right"}]})"));
    all.push_back(ebnf("EBNF of JSON", R"g(
root   ::= object
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (string ws ":" ws value ws ("," ws string ws ":" ws value ws)*)? "}"
array  ::= "[" ws (value ws ("," ws value ws)*)? "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
ws     ::= [ \n]{0,40}
)g",
                       people));
    all.push_back(regex("regex, a record", R"(\{"name": "[^"\\]{1,60}", "age": \d{1,3}, "mail": "[a-z.]+@[a-z.]+"\})",
                        R"({"name": "somebody with a long name", "age": 42, "mail": "some.body@example.org"})"));
    all.push_back(regex("regex, prose", "[^<>]*<answer>\\d+</answer>",
                        "let me think about this for a while before i answer <answer>42</answer>"));
    return all;
}

}  // namespace

int main(int argc, char** argv) {
    const auto vocabulary = argc > 1 ? vocabulary_of(argv[1]) : synthetic_vocabulary();
    const auto begin = Clock::now();
    const auto trie = std::make_shared<const grammar::TokenTrie>(vocabulary);
    fmt::print("{} tokens, {} nodes, built in {:.0f} ms\n", vocabulary.size(), trie->node_count(),
               micros(Clock::now() - begin) / 1000);
    fmt::print("{:<22} {:>8} {:>7} {:>39} {:>19} {:>8}\n", "", "compile", "tokens",
               "us/token at first: mean, p50, p99, most", "later: p50, p99", "states");
    for (const Case& c : cases()) {
        measure(c, vocabulary, trie);
    }
}
