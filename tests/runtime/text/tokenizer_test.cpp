// Tokenizers against Hugging Face's `tokenizers`: every kind, every string, both ways.

#include "runtime/text/tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <ostream>

#include "tests/runtime/text/tokenizer_fixture.hpp"

namespace gantry::text {
namespace {

using test::Fixture;

constexpr size_t kReportedMisses = 5;

/// Compares encode and decode with what is expected, and reports the first few strings that differ.
void expect_equal(const Tokenizer& tokenizer, const Fixture& fixture) {
    const auto strings = test::read_strings();
    ASSERT_GE(strings.size(), 2000u);
    ASSERT_EQ(strings.size(), fixture.encodings.size());
    size_t misses = 0;
    for (size_t i = 0; i < strings.size(); ++i) {
        const auto& want = fixture.encodings[i];
        const auto plain = tokenizer.encode(strings[i], {.add_special = false});
        const auto full = tokenizer.encode(strings[i]);
        const bool ids_ok = plain == want.ids;
        const bool full_ok = test::crc32(full) == want.full_ids_crc;
        const bool text_ok = test::crc32(tokenizer.decode(full, true)) == want.decoded_crc;
        const bool all_ok = test::crc32(tokenizer.decode(full, false)) == want.decoded_all_crc;
        if (ids_ok && full_ok && text_ok && all_ok) continue;
        if (++misses <= kReportedMisses) {
            ADD_FAILURE() << "string " << i << " \"" << test::escaped(strings[i]) << "\": ids " << ids_ok
                          << ", with special " << full_ok << ", decoded " << text_ok << ", decoded with special "
                          << all_ok << "\n  got  " << testing::PrintToString(plain) << "\n  want "
                          << testing::PrintToString(want.ids) << "\n  decoded "
                          << test::escaped(tokenizer.decode(full, false));
        }
    }
    for (const auto& want : fixture.decodings) {
        const bool text_ok = test::crc32(tokenizer.decode(want.ids, true)) == want.decoded_crc;
        const bool all_ok = test::crc32(tokenizer.decode(want.ids, false)) == want.decoded_all_crc;
        if (text_ok && all_ok) continue;
        if (++misses <= kReportedMisses) {
            ADD_FAILURE() << "ids " << testing::PrintToString(want.ids) << " decode to \""
                          << test::escaped(tokenizer.decode(want.ids, false)) << "\"";
        }
    }
    EXPECT_EQ(misses, 0u) << "of " << strings.size() << " strings and " << fixture.decodings.size() << " id sequences";
}

std::string name_of(const testing::TestParamInfo<std::string>& info) { return info.param; }

class JsonKind : public testing::TestWithParam<std::string> {};

TEST_P(JsonKind, EqualsHuggingFace) {
    const Fixture fixture = test::read_fixture(GetParam());
    expect_equal(*test::load_json(fixture.json), fixture);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, JsonKind,
                         testing::Values("gpt2", "llama3", "qwen2", "deepseek_v3", "o200k", "tekken", "falcon",
                                         "smollm", "roberta", "clip", "llama2", "mistral", "t5", "xlm_roberta",
                                         "unigram_bytes", "bert_uncased", "bert_cased", "word_level"),
                         name_of);

struct GgufCase {
    std::string kind, model, pre;
    std::optional<bool> add_bos = std::nullopt;
};

void PrintTo(const GgufCase& c, std::ostream* out) { *out << c.kind; }

class GgufKind : public testing::TestWithParam<GgufCase> {};

TEST_P(GgufKind, EqualsTheSameTokenizerFromJson) {
    const auto& [kind, model, pre, add_bos] = GetParam();
    const Fixture fixture = test::read_fixture(kind);
    auto source = test::to_gguf(fixture.json, model, pre);
    source.add_bos = add_bos;
    const auto tokenizer = Tokenizer::create(source);
    ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().text();
    expect_equal(**tokenizer, fixture);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GgufKind,
                         testing::Values(GgufCase{"gpt2", "gpt2", "gpt-2"}, GgufCase{"llama3", "gpt2", "llama-bpe"},
                                         GgufCase{"qwen2", "gpt2", "qwen2"},
                                         GgufCase{"deepseek_v3", "gpt2", "deepseek-v3", true},
                                         GgufCase{"o200k", "gpt2", "gpt-4o"}, GgufCase{"tekken", "gpt2", "tekken"},
                                         GgufCase{"falcon", "gpt2", "falcon"}, GgufCase{"smollm", "gpt2", "smollm"},
                                         GgufCase{"llama2", "llama", ""}, GgufCase{"bert_uncased", "bert", ""},
                                         GgufCase{"bert_cased", "bert", ""}),
                         [](const auto& info) { return info.param.kind; });

TEST(GgufTokenizer, UnigramEqualsTheSameTokenizerFromJson) {
    // The keys do not say how XLM-RoBERTa splits at white space, nor that T5's file squeezes spaces to U+2581: compare
    // a pipeline that the keys do describe.
    const Fixture fixture = test::read_fixture("t5");
    const auto json = test::load_json(fixture.json);
    const auto gguf = Tokenizer::create(test::to_gguf(fixture.json, "t5", "")).value();
    for (const char* text : {"The quick brown fox", "Über den faulen Hund!", "敏捷的棕色狐狸", "a b c", "<unk></s>x"}) {
        EXPECT_EQ(gguf->encode(text), json->encode(text)) << text;
    }
}

TEST(Tokenizer, SpecialTokensAreTextWhereAskedFor) {
    const auto tokenizer = test::load_json(test::read_fixture("qwen2").json);
    const int32_t start = tokenizer->token_to_id("<|im_start|>").value();
    EXPECT_THAT(tokenizer->encode("<|im_start|>user"), testing::Contains(start));
    EXPECT_THAT(tokenizer->encode("<|im_start|>user", {.parse_special = false}),
                testing::Not(testing::Contains(start)));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("<|im_start|>user", {.parse_special = false})), "<|im_start|>user");
}

TEST(Tokenizer, ConfigNamesBeginAndEnd) {
    const std::string json = test::read_fixture("llama3").json;
    const auto tokenizer =
        test::load_json(json, R"({"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>"}})");
    EXPECT_EQ(tokenizer->bos_id(), tokenizer->token_to_id("<|begin_of_text|>"));
    EXPECT_EQ(tokenizer->eos_id(), tokenizer->token_to_id("<|eot_id|>"));
    EXPECT_EQ(test::load_json(json)->bos_id(), std::nullopt);
}

TEST(Tokenizer, TokensAndIdsAreInverse) {
    const auto tokenizer = test::load_json(test::read_fixture("t5").json);
    for (int32_t id = 0; id < static_cast<int32_t>(tokenizer->vocab_size()); ++id) {
        EXPECT_EQ(tokenizer->token_to_id(tokenizer->id_to_token(id)), id);
    }
    EXPECT_EQ(tokenizer->id_to_token(-1), "");
    EXPECT_EQ(tokenizer->id_to_token(1 << 20), "");
    EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{-5, 1 << 30}), "");
}

TEST(Tokenizer, TokenBytesAreWhatATokenAddsInTheMiddle) {
    const auto qwen2 = test::load_json(test::read_fixture("qwen2").json);
    EXPECT_EQ(qwen2->token_bytes(qwen2->token_to_id("Ġ").value()), " ");
    EXPECT_EQ(qwen2->token_bytes(qwen2->token_to_id("Ń").value()), "\xAD");
    EXPECT_EQ(qwen2->token_bytes(qwen2->token_to_id("<|im_end|>").value()), "");
    EXPECT_EQ(qwen2->token_bytes(qwen2->token_to_id("<think>").value()), "<think>");
    const auto llama2 = test::load_json(test::read_fixture("llama2").json);
    EXPECT_EQ(llama2->token_bytes(llama2->token_to_id("<0xE4>").value()), "\xE4");
    EXPECT_EQ(llama2->token_bytes(llama2->token_to_id("▁").value()), " ");
    const auto bert = test::load_json(test::read_fixture("bert_uncased").json);
    EXPECT_EQ(bert->token_bytes(bert->token_to_id("##s").value()), "s");
    EXPECT_EQ(bert->token_bytes(bert->token_to_id("the").value()), " the");
}

TEST(Tokenizer, BothFormsOfMergesAreRead) {
    const std::string head = R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "aba": 3}, "merges": )";
    const auto legacy = test::load_json(head + R"(["#version: 0.2", "a b", "ab a"]}})");
    const auto pairs = test::load_json(head + R"([["a", "b"], ["ab", "a"]]}})");
    for (const auto& tokenizer : {legacy, pairs}) {
        EXPECT_EQ(tokenizer->encode("abaab"), (std::vector<int32_t>{3, 2}));
    }
}

TEST(Tokenizer, LongTextWithoutSplitsTakesNoQuadraticTime) {
    const auto tokenizer = test::load_json(test::read_fixture("llama2").json);
    std::string text;
    while (text.size() < 400'000) text += "the quick brown fox  ";
    const auto ids = tokenizer->encode(text, {.add_special = false});
    EXPECT_EQ(tokenizer->decode(ids), text);
}

}  // namespace
}  // namespace gantry::text
