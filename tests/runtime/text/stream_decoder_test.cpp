#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/text/tokenizer.hpp"
#include "tests/runtime/text/tokenizer_fixture.hpp"

namespace gantry::text {
namespace {

struct Streamed {
    std::string text;
    bool half = false;  ///< some return ended within a character
};

bool whole_characters(std::string_view text) {
    size_t need = 0;
    for (const char c : text) {
        const auto b = static_cast<uint8_t>(c);
        if ((b & 0xC0) == 0x80) {
            if (need-- == 0) return false;
        } else {
            if (need != 0) return false;
            need = b < 0x80 ? 0 : b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
        }
    }
    return need == 0;
}

Streamed stream(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<int32_t>& ids, bool skip_special) {
    StreamDecoder decoder(tokenizer, skip_special);
    Streamed result;
    for (const int32_t id : ids) {
        const std::string piece = decoder.push(id);
        result.half = result.half || !whole_characters(piece);
        result.text += piece;
    }
    result.text += decoder.flush();
    return result;
}

class StreamKind : public testing::TestWithParam<std::string> {};

TEST_P(StreamKind, PiecesAddUpToTheWholeText) {
    const auto fixture = test::read_fixture(GetParam());
    const auto tokenizer = test::load_json(fixture.json);
    const auto strings = test::read_strings();
    size_t misses = 0;
    const auto check = [&](const std::vector<int32_t>& ids, bool skip_special) {
        const Streamed got = stream(tokenizer, ids, skip_special);
        const std::string want = tokenizer->decode(ids, skip_special);
        if (got.text == want && !got.half) return;
        if (++misses <= 5) {
            ADD_FAILURE() << testing::PrintToString(ids) << " streams as \"" << test::escaped(got.text)
                          << "\", but decodes to \"" << test::escaped(want) << "\""
                          << (got.half ? "; half a character" : "");
        }
    };
    for (const std::string& text : strings) {
        const auto ids = tokenizer->encode(text);
        check(ids, true);
        check(ids, false);
    }
    const bool byte_tokens = tokenizer->token_to_id("<0x80>").has_value();
    for (const auto& random : fixture.decodings) {
        // Runs of <0xNN> tokens that are not UTF-8 are the documented exception.
        if (byte_tokens && tokenizer->decode(random.ids, false).find("\xEF\xBF\xBD") != std::string::npos) continue;
        check(random.ids, true);
        check(random.ids, false);
    }
    EXPECT_EQ(misses, 0u);
}

INSTANTIATE_TEST_SUITE_P(StreamDecoders, StreamKind,
                         testing::Values("gpt2", "qwen2", "deepseek_v3", "tekken", "roberta", "llama2", "mistral", "t5",
                                         "xlm_roberta", "unigram_bytes", "bert_uncased", "word_level"),
                         [](const auto& info) { return info.param; });

TEST(StreamDecoder, HoldsBytesUntilTheCharacterIsWhole) {
    const auto tokenizer = test::load_json(test::read_fixture("llama2").json);
    StreamDecoder decoder(tokenizer);
    const auto byte = [&](const char* token) { return tokenizer->token_to_id(token).value(); };
    EXPECT_EQ(decoder.push(byte("<0xF0>")), "");
    EXPECT_EQ(decoder.push(byte("<0x9F>")), "");
    EXPECT_EQ(decoder.push(byte("<0x98>")), "");
    EXPECT_EQ(decoder.push(byte("<0x80>")), "\xF0\x9F\x98\x80");
    EXPECT_EQ(decoder.push(byte("<0xE4>")), "");
    EXPECT_EQ(decoder.flush(), "\xEF\xBF\xBD");
}

TEST(StreamDecoder, KeepsWhatItShowedWhenABadByteFollows) {
    const auto tokenizer = test::load_json(test::read_fixture("llama2").json);
    StreamDecoder decoder(tokenizer);
    const auto push = [&](const char* token) { return decoder.push(tokenizer->token_to_id(token).value()); };
    EXPECT_EQ(push("<0xC3>"), "");
    EXPECT_EQ(push("<0xA9>"), "\xC3\xA9");
    EXPECT_EQ(push("<0xFF>"), "\xEF\xBF\xBD");
    EXPECT_EQ(push("<0x41>"), "\xEF\xBF\xBD");
    EXPECT_EQ(push("a"), "a");
}

TEST(StreamDecoder, SkippedTokensLeaveNoTrace) {
    const auto tokenizer = test::load_json(test::read_fixture("llama2").json);
    const int32_t eos = tokenizer->token_to_id("</s>").value();
    auto ids = tokenizer->encode("hello world");
    for (size_t i = ids.size(); i > 0; --i) ids.insert(ids.begin() + static_cast<std::ptrdiff_t>(i), 40, eos);
    EXPECT_EQ(stream(tokenizer, ids, true).text, "hello world");
}

TEST(StreamDecoder, CanBeUsedAgainAfterFlush) {
    const auto tokenizer = test::load_json(test::read_fixture("llama2").json);
    StreamDecoder decoder(tokenizer);
    for (int round = 0; round < 2; ++round) {
        std::string text;
        for (const int32_t id : tokenizer->encode("the fox")) text += decoder.push(id);
        EXPECT_EQ(text + decoder.flush(), "the fox");
    }
}

}  // namespace
}  // namespace gantry::text
