#pragma once

/// A model of any format of calls that answers at random, asked as a client asks.

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine/core.hpp"
#include "runtime/runner/prompt.hpp"
#include "tests/runtime/engine/fakes.hpp"
#include "tests/runtime/runner/greedy_tokenizer.hpp"

namespace gantry::runner::testing {

namespace json = boost::json;

/// All that a format writes around values and texts, as tokens: one that ends something must have a chance.
inline std::vector<std::string> endings(const text::OutputFormat& format) {
    std::vector<std::string> out{"</think>"};
    for (const std::string_view end : {format.value_end, format.call_end, format.texts.end, format.texts.call_end}) {
        out.emplace_back(end);
    }
    std::erase(out, "");
    return out;
}

/// What begins calls.
inline std::vector<std::string> openings(const text::OutputFormat& format) {
    std::vector<std::string> out{" to=functions.", ">>>f\n"};
    for (const auto* markers : {&format.section_begin, &format.call_begin}) {
        out.insert(out.end(), markers->begin(), markers->end());
    }
    return out;
}

inline std::shared_ptr<const text::Tokenizer> tokenizer(const text::OutputFormat& format, bool controls) {
    std::vector<std::string> tokens{"</s>",          "<|channel|>",    "<|message|>",    "<|end|>",
                                    "<|start|>",     "<|constrain|>",  "[TOOL_CALLS]",   "[ARGS]",
                                    "<|tool_call|>", "<|python_tag|>", "<｜tool▁sep｜>", "<|tool_call_end|>",
                                    "<|END_ACTION|>"};
    std::set<int32_t> special{0};
    for (int32_t id = 1; controls && id < static_cast<int32_t>(tokens.size()); ++id) {
        special.insert(id);
    }
    for (const auto& markers : {endings(format), openings(format)}) {
        for (const std::string& marker : markers) {
            if (std::ranges::find(tokens, marker) == tokens.end()) {
                tokens.push_back(marker);
            }
        }
    }
    for (const char* const piece : {"\n", "\t", "\xEF", "\xBD", "\x9C", "\xE2", "\x96", "\x81", "\": ", "{\"", "\"}"}) {
        tokens.emplace_back(piece);
    }
    for (char c = ' '; c <= '~'; ++c) {
        tokens.emplace_back(1, c);
    }
    return std::make_shared<GreedyTokenizer>(std::move(tokens), std::move(special));
}

struct Answer {
    std::string content, reasoning, fault;
    std::vector<std::pair<std::string, std::string>> calls;
    std::optional<engine::FinishReason> finish;
    std::optional<Error> error;
    bool ended() const { return finish && *finish != engine::FinishReason::kLength; }

    void take(const std::vector<engine::Event>& events) {
        for (const engine::Event& event : events) {
            if (const auto* delta = std::get_if<engine::Delta>(&event)) {
                content += delta->text;
                reasoning += delta->reasoning;
                for (const engine::ToolCallDelta& call : delta->tool_calls) {
                    calls.resize(std::max(calls.size(), size_t{call.call} + 1));
                    calls[call.call].first += call.name;
                    calls[call.call].second += call.arguments;
                }
            } else if (const auto* end = std::get_if<engine::Finish>(&event)) {
                finish = end->reason;
                fault = end->tool_error;
            } else if (const auto* failed = std::get_if<Error>(&event)) {
                error = *failed;
            }
        }
    }
};

inline constexpr const char* kOpen = "{{ messages[0].content }}<think>\n";
inline constexpr const char* kPlain = "{{ messages[0].content }} </think> is known";

/// A model of this format that answers at random.
class Model {
  public:
    Model(const char* format, bool controls, const char* chat_template = kPlain)
        : format_(*text::find_output_format(format)), tokenizer_(tokenizer(format_, controls)) {
        registry::ModelManifest manifest;
        manifest.chat_template = chat_template;
        OutputStyle style;
        style.format = &format_;
        if (format_.texts.reasoning_end.empty()) {
            style.reasoning = {"<think>", "</think>"};
        }
        prompter_ = std::make_unique<Prompter>(manifest, tokenizer_, style);
        auto limits = engine::testing::small_limits();
        limits.vocab_size = static_cast<uint32_t>(tokenizer_->vocab_size());
        limits.block_count = 256;
        limits.max_context = 900;
        auto model = std::make_unique<engine::testing::FakeModel>(limits);
        model->after_row = [this](std::span<float> row) {
            for (const std::string& end : endings(format_)) {
                like(row, end, 3);
            }
            for (const std::string& begin : openings(format_)) {
                like(row, begin, 2);
            }
            for (const char* const end : {"\"", "}", "]", ")", "<|end|>", "\"}"}) {
                like(row, end, 2);
            }
            like(row, " ", -2);
            like(row, "\n", -2);
            like(row, "\\", -4);
            for (const auto& [token, by] : likes) {
                like(row, token, by);
            }
        };
        engine::EngineOptions options;
        options.eos_ids = {engine::testing::kEos};
        core_ = std::make_unique<engine::EngineCore>(std::move(model), tokenizer_, options);
    }

    Result<Answer> ask(engine::ChatInput chat, std::optional<engine::GrammarSpec> form, uint64_t seed) {
        engine::GenerateRequest request;
        request.id = "r" + std::to_string(seed);
        chat.messages = {json::object{{"role", "user"}, {"content", std::string(1 + seed % 7, 'a')}}};
        request.input = std::move(chat);
        request.grammar = std::move(form);
        request.sampling.seed = seed;
        request.max_tokens = 800;
        GANTRY_TRY(engine::EngineRequest prepared, prompter_->prepare(std::move(request)));
        Answer out;
        core_->add(std::move(prepared), [&](std::vector<engine::Event> events) { out.take(events); });
        while (core_->step()) {
        }
        EXPECT_EQ(core_->audit(), "");
        return out;
    }

    std::map<std::string, float> likes;

  private:
    void like(std::span<float> row, std::string_view token, float by) const {
        if (const auto id = tokenizer_->token_to_id(token)) {
            row[static_cast<size_t>(*id)] += by;
        }
    }

    const text::OutputFormat& format_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::unique_ptr<Prompter> prompter_;
    std::unique_ptr<engine::EngineCore> core_;
};

}  // namespace gantry::runner::testing
