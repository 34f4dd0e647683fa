// Damaged sources are refused with an error that names the field; nothing crashes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/text/tokenizer.hpp"
#include "tests/runtime/text/tokenizer_fixture.hpp"

namespace gantry::text {
namespace {

struct BadJson {
    std::string name, json, message;
    Code code = Code::kDataLoss;
};

class DamagedJson : public testing::TestWithParam<BadJson> {};

TEST_P(DamagedJson, IsRefusedWithTheFieldsName) {
    const auto result = Tokenizer::create(registry::TokenizerJson{GetParam().json, ""});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, GetParam().code);
    EXPECT_THAT(result.error().message, testing::HasSubstr(GetParam().message));
}

const std::string kModel = R"("model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []})";

INSTANTIATE_TEST_SUITE_P(
    Tokenizers, DamagedJson,
    testing::Values(
        BadJson{"Empty", "", "tokenizer.json: not JSON"},
        BadJson{"CutShort", R"({"model": {"vo)", "tokenizer.json: not JSON"},
        BadJson{"Trailing", "{} {}", "tokenizer.json: not JSON at byte 3"},
        BadJson{"NoObject", "[]", "tokenizer.json: is not an object"},
        BadJson{"NoModel", "{}", "tokenizer.json: model"},
        BadJson{"UnknownModel", R"({"model": {"type": "Magic"}})", "Magic", Code::kUnimplemented},
        BadJson{"NegativeId", R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})",
                "model.vocab: the id of \"a\""},
        BadJson{"HugeId", R"({"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}})",
                "model.vocab: the id of \"a\""},
        BadJson{"MergeOfUnknown", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}})",
                "model.merges: [0] names \"b\""},
        BadJson{"MergeOfThree", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a a a"]}})",
                "model.merges: [0]"},
        BadJson{"NoMerges", R"({"model": {"type": "BPE", "vocab": {"a": 0}}})", "model.merges: is not an array"},
        BadJson{"UnigramPair", R"({"model": {"type": "Unigram", "vocab": [["a"]]}})", "model.vocab: [0]"},
        BadJson{"UnigramUnknown", R"({"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 3}})",
                "model.unk_id"},
        BadJson{"BadRegex",
                "{" + kModel +
                    R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}})",
                "pre_tokenizer.pattern.Regex: bad regular expression"},
        BadJson{"OpenClass",
                "{" + kModel + R"(, "normalizer": {"type": "Replace", "pattern": {"Regex": "[a"}, "content": ""}})",
                "normalizer.pattern.Regex"},
        BadJson{"BadBehavior",
                "{" + kModel +
                    R"(, "pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Sideways"}})",
                "pre_tokenizer.behavior", Code::kUnimplemented},
        BadJson{"UnknownNormalizer",
                "{" + kModel + R"(, "normalizer": {"type": "Sequence", "normalizers": [{"type": "Q"}]}})",
                "normalizer.normalizers[0]", Code::kUnimplemented},
        BadJson{"BadBase64", "{" + kModel + R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "*"}})",
                "normalizer.precompiled_charsmap: is not base64"},
        BadJson{"ShortCharsmap",
                "{" + kModel + R"(, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "//8AAA=="}})",
                "normalizer.precompiled_charsmap"},
        BadJson{
            "TemplateWithoutToken",
            "{" + kModel +
                R"(, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}], "special_tokens": {}}})",
            "post_processor.special_tokens.x"},
        BadJson{"AddedTokenContent", "{" + kModel + R"(, "added_tokens": [{"id": 5}]})", "added_tokens[0].content"},
        BadJson{"FixedLengthZero", "{" + kModel + R"(, "pre_tokenizer": {"type": "FixedLength", "length": 0}})",
                "pre_tokenizer.length"}),
    [](const auto& info) { return info.param.name; });

TEST(DamagedTokenizer, EveryCutOfAJsonFileIsRefused) {
    const std::string json = test::read_fixture("bert_cased").json;
    for (size_t length = 0; length + 2 < json.size(); length += 997) {
        EXPECT_FALSE(Tokenizer::create(registry::TokenizerJson{json.substr(0, length), ""}).has_value());
    }
}

TEST(DamagedTokenizer, NoSourceIsNotFound) {
    const auto result = Tokenizer::create(std::monostate{});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, Code::kNotFound);
}

struct BadGguf {
    std::string name, message;
    void (*damage)(registry::TokenizerGguf&);
    Code code = Code::kDataLoss;
};

class DamagedGguf : public testing::TestWithParam<BadGguf> {};

TEST_P(DamagedGguf, IsRefusedWithTheKeysName) {
    registry::TokenizerGguf source;
    source.model = "gpt2";
    source.pre = "gpt-2";
    source.tokens = {"a", "b", "ab"};
    source.merges = {"a b"};
    ASSERT_TRUE(Tokenizer::create(source).has_value());
    GetParam().damage(source);
    const auto result = Tokenizer::create(source);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, GetParam().code);
    EXPECT_THAT(result.error().message, testing::HasSubstr(GetParam().message));
}

using Gguf = registry::TokenizerGguf;

INSTANTIATE_TEST_SUITE_P(
    Tokenizers, DamagedGguf,
    testing::Values(BadGguf{"NoTokens", "tokenizer.ggml.tokens", [](Gguf& g) { g.tokens.clear(); }},
                    BadGguf{"InvalidToken", "tokenizer.ggml.tokens: [1]", [](Gguf& g) { g.tokens[1] = "\xFF"; }},
                    BadGguf{"FewTypes", "tokenizer.ggml.token_type", [](Gguf& g) { g.types = {1}; }},
                    BadGguf{"FewScores", "tokenizer.ggml.scores", [](Gguf& g) { g.scores = {1}; }},
                    BadGguf{"MergeOfUnknown", "tokenizer.ggml.merges: [0]", [](Gguf& g) { g.merges = {"a c"}; }},
                    BadGguf{"MergeOfOne", "tokenizer.ggml.merges: [0]", [](Gguf& g) { g.merges = {"ab"}; }},
                    BadGguf{"MergeEmpty", "tokenizer.ggml.merges: [0]", [](Gguf& g) { g.merges = {""}; }},
                    BadGguf{"BosOutOfRange", "tokenizer.ggml.bos_token_id", [](Gguf& g) { g.bos = 3; }},
                    BadGguf{"EosNegative", "tokenizer.ggml.eos_token_id", [](Gguf& g) { g.eos = -1; }},
                    BadGguf{"UnknownModel", "tokenizer.ggml.model", [](Gguf& g) { g.model = "rwkv"; },
                            Code::kUnimplemented},
                    BadGguf{"UnknownPre", "tokenizer.ggml.pre", [](Gguf& g) { g.pre = "who"; }, Code::kUnimplemented}),
    [](const auto& info) { return info.param.name; });

TEST(GgufTokenizer, EveryPreNameOfTheTableLoads) {
    for (const char* pre :
         {"",         "default",      "gpt-2",          "mpt",        "olmo",        "llama-bpe",
          "dbrx",     "glm4",         "jais-2",         "qwen2",      "qwen35",      "stablelm2",
          "minicpm5", "seed-coder",   "ufakzeka",       "exaone-moe", "bailingmoe",  "laguna",
          "gpt-4o",   "tiny_aya",     "tekken",         "kimi-k2",    "youtu",       "deepseek-v3",
          "spark2_5", "deepseek-llm", "deepseek-coder", "falcon",     "command-r",   "starcoder",
          "bloom",    "viking",       "chameleon",      "superbpe",   "roberta-bpe", "granite-embed-multi-97m"}) {
        registry::TokenizerGguf source;
        source.model = "gpt2";
        source.pre = pre;
        for (char c = 'a'; c <= 'z'; ++c) source.tokens.emplace_back(1, c);
        const auto tokenizer = Tokenizer::create(source);
        ASSERT_TRUE(tokenizer.has_value()) << pre << ": " << tokenizer.error().text();
        EXPECT_EQ((*tokenizer)->decode((*tokenizer)->encode("abcxyz")), "abcxyz") << pre;
    }
}

}  // namespace
}  // namespace gantry::text
