// What published chat templates write for an assistant's calls is what their models have learnt to write: it is
// rendered, read back, and must be the same.

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/text/chat_template.hpp"
#include "tests/runtime/text/output_fixture.hpp"

namespace gantry::text {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

/// The folder of published templates; it need not exist.
fs::path templates() {
    if (const char* const given = std::getenv("GANTRY_SHARED_DATA")) {
        return fs::path(given) / "chat_templates";
    }
    const fs::path source = GANTRY_SOURCE_DIR;
    const fs::path near = source / "../shared/data/chat_templates";
    return fs::exists(near) ? near : source / "../../shared/data/chat_templates";
}

std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

struct Expected {
    const char* file;
    const char* format;
};

void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.file; }

constexpr Expected kFiles[] = {
    {"Qwen3-Instruct", "hermes"},
    {"Qwen3-Thinking", "hermes"},
    {"Qwen3-Next-Instruct", "hermes"},
    {"Qwen3-VL-Instruct", "hermes"},
    {"qwen2.5-instruct-1m", "hermes"},
    {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes"},
    {"Qwen3-Coder", "qwen3-coder"},
    {"qwen3.5", "qwen3-coder"},
    {"qwen3.6", "qwen3-coder"},
    {"qwen3.8-max", "qwen3-coder"},
    {"glm-4.5", "glm4"},
    {"glm-5", "glm4"},
    {"Ling-3.0-tiny", "glm4"},
    {"MiniMax-M2.5", "minimax-m2"},
    {"MiniMax-M2.7", "minimax-m2"},
    {"DeepSeek-V3.2", "deepseek-v3.1"},
    {"deepseek-r1", "deepseek-v3"},
    {"Kimi-K2.5", "kimi-k2"},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "command-r"},
    {"mistral-instruct-v0.3", "mistral-list"},
    {"mistralai-Mistral-Nemo-Instruct-2407", "mistral-list"},
    {"meta-llama-Llama-3.2-3B-Instruct", "llama3"},
    {"meetkai-functionary-medium-v3.1", "functionary-v3.1"},
    {"meetkai-functionary-medium-v3.2", "functionary-v3.2"},
    {"gpt-oss", "harmony"},
    {"minicpm5-1b", "minicpm5"},
};

using Calls = std::vector<std::pair<std::string, json::object>>;

json::object variables(const Calls& calls, bool text_arguments, bool null_content) {
    json::array tools = json::parse(R"([
        {"type": "function", "function": {"name": "get_weather", "description": "Weather.", "parameters": {"type":
         "object", "properties": {"city": {"type": "string", "description": "City."},
         "unit": {"type": "string", "description": "Unit."}, "days": {"type": "integer", "description": "Days."}},
         "required": ["city"]}}},
        {"type": "function", "function": {"name": "note", "description": "Notes.", "parameters": {"type": "object",
         "properties": {"text": {"type": "string", "description": "Text."}, "tags": {"type": "array", "items": {"type":
         "string"}, "description": "Tags."}, "meta": {"type": "object", "description": "More.", "properties": {}}},
         "required": ["text"]}}}])")
                            .as_array();
    json::object variables{{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"tools", tools}};
    json::array messages{json::object{{"role", "user"}, {"content", "Do it."}}};
    if (!calls.empty()) {
        json::array list;
        for (const auto& [name, arguments] : calls) {
            const json::value given = text_arguments ? json::value(json::serialize(arguments)) : json::value(arguments);
            const std::string number = std::to_string(list.size());
            list.push_back(json::object{{"id", "functions." + name + ":" + number},
                                        {"type", "function"},
                                        {"function", json::object{{"name", name}, {"arguments", given}}}});
        }
        messages.push_back(json::object{{"role", "assistant"},
                                        {"content", null_content ? json::value(nullptr) : json::value("")},
                                        {"tool_calls", std::move(list)}});
    }
    variables["messages"] = std::move(messages);
    variables["add_generation_prompt"] = calls.empty();
    return variables;
}

/// What the template writes behind its generation prompt, without the end of the turn; empty where it refuses.
std::string written(const ChatTemplate& chat_template, const Calls& calls, std::string& prompt) {
    for (int form = 0; form < 4; ++form) {
        const bool text_arguments = form >= 2, null_content = form % 2 == 1;
        json::object with = variables(calls, text_arguments, null_content);
        auto full = chat_template.render(with);
        if (!full) {  // Mistral's ids have nine characters
            for (json::value& call : with["messages"].as_array()[1].as_object()["tool_calls"].as_array()) {
                call.as_object()["id"] = "call00001";
            }
            full = chat_template.render(with);
        }
        const auto begin = chat_template.render(variables({}, false, false));
        if (!full || !begin || full->find("None") != std::string::npos || full->find("Paris") == std::string::npos) {
            continue;
        }
        size_t same = 0;
        while (same < begin->size() && same < full->size() && (*begin)[same] == (*full)[same]) {
            ++same;
        }
        // The two may part inside a marker; and history may say that there was no reasoning, where a model would think.
        if (const size_t open = full->rfind('<', same - 1); full->find('>', open) >= same) {
            same = open;
        }
        prompt = begin->substr(0, same);
        std::string text = full->substr(same);
        if (text.starts_with("</think>") && !prompt.ends_with("<think>")) {
            text.erase(0, text.find_first_not_of(" \n", sizeof("</think>") - 1));
        }
        for (const char* end : {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "</s>", "<｜end▁of▁sentence｜>", "[e~[",
                                "<|END_OF_TURN_TOKEN|>", "<|call|>", "<|role_end|>", "<|user|>"}) {
            text = text.substr(0, text.find(end));
        }
        return text;
    }
    return {};
}

class OutputTemplates : public testing::TestWithParam<Expected> {
  protected:
    void SetUp() override {
        path_ = templates() / (std::string(GetParam().file) + ".jinja");
        if (!fs::exists(path_)) {
            GTEST_SKIP() << "no published templates at " << templates();
        }
        source_ = read(path_);
    }

    void check(const Calls& calls) {
        auto compiled = ChatTemplate::compile(source_);
        ASSERT_TRUE(compiled) << compiled.error().message;
        std::string prompt;
        const std::string text = written(*compiled, calls, prompt);
        if (text.empty()) {
            GTEST_SKIP() << "the template does not write these calls";
        }
        auto plan = std::make_shared<OutputPlan>(*plan_for(GetParam().format));
        plan->reasoning = detect_reasoning_tags(source_);
        while (!prompt.empty() && prompt.back() == '\n') {
            prompt.pop_back();
        }
        plan->starts_in_reasoning = plan->reasoning && prompt.ends_with(plan->reasoning.begin);
        std::vector<std::string> bytes;
        for (const char byte : text) {
            bytes.emplace_back(1, byte);
        }
        const auto pieces = parse(plan, {text});
        EXPECT_EQ(parse(plan, bytes), pieces) << text;
        const Parsed parsed = summary(pieces);
        EXPECT_EQ(parsed.content, "") << text;
        EXPECT_EQ(parsed.reasoning, "") << text;
        EXPECT_FALSE(parsed.fault) << pieces.back().text << "\n" << text;
        ASSERT_EQ(parsed.calls.size(), calls.size()) << text;
        for (size_t i = 0; i < calls.size(); ++i) {
            EXPECT_EQ(parsed.calls[i].first, calls[i].first);
            boost::system::error_code ec;
            EXPECT_EQ(json::parse(parsed.calls[i].second, ec), json::value(calls[i].second)) << text;
            EXPECT_FALSE(ec) << parsed.calls[i].second;
        }
    }

    fs::path path_;
    std::string source_;
};

const Calls kWeather{{"get_weather", {{"city", "Paris"}, {"unit", "celsius"}, {"days", 3}}}};

TEST_P(OutputTemplates, ShowTheirFormat) {
    const OutputFormat* const format = detect_output_format(source_);
    ASSERT_NE(format, nullptr);
    EXPECT_EQ(format->name, GetParam().format);
}

TEST_P(OutputTemplates, OneCall) { check(kWeather); }

TEST_P(OutputTemplates, SeveralCalls) {
    if (std::string_view(GetParam().format) == "llama3" || std::string_view(GetParam().format) == "harmony") {
        GTEST_SKIP() << "the family makes one call an answer";
    }
    check({kWeather[0], {"get_weather", {{"city", "Rome"}}}});
}

TEST_P(OutputTemplates, ArgumentsOfAllKinds) {
    check({{"note",
            {{"text", "Paris: a \"b\" \\ {[é 你好 🙂'"},
             {"tags", json::array{"x", "it's", "y z"}},
             {"meta", json::object{{"k", json::array{1, -2.5, true, nullptr}}, {"o", json::object{{"p", "q"}}}}}}}});
}

INSTANTIATE_TEST_SUITE_P(Published, OutputTemplates, testing::ValuesIn(kFiles), [](const auto& info) {
    std::string name = info.param.file;
    std::erase_if(name, [](char c) { return c == '-' || c == '.' || c == '_'; });
    return name;
});

}  // namespace
}  // namespace gantry::text
