// The table of formats. Sources: the families' chat templates, which show a call as the model has learnt to write it.

#include <algorithm>
#include <array>

#include "runtime/text/output/format.hpp"

namespace gantry::text {
namespace {

std::vector<OutputFormat> make_formats() {
    return {
        {.name = "harmony",
         .aliases = {"gpt-oss", "openai", "gpt_oss"},
         .syntax = CallSyntax::kChannels,
         .name_prefix = "functions.",
         .header_begin = "<|start|>",
         .header_end = "<|message|>",
         .message_end = {"<|end|>", "<|call|>", "<|return|>"},
         .dropped = {"<|channel|>", "<|constrain|>"},
         .texts = {.between = "<|end|><|start|>assistant",
                   .call = "<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>",
                   .content = "<|channel|>final<|message|>",
                   .reasoning = "<|channel|>analysis<|message|>",
                   .reasoning_end = "<|end|><|start|>assistant"},
         .seen_in_template = {"<|channel|>", "<|message|>"}},
        {.name = "functionary-v3.2",
         .aliases = {"functionary", "functionary_v3_2"},
         .syntax = CallSyntax::kChannels,
         .header_begin = ">>>",
         .header_end = "\n",
         .texts = {.between = "\n>>>", .call = "NAME\n", .content = "all\n"},
         .seen_in_template = {">>>all\\n", "'>>>' + tool_call"}},
        {.name = "command-r",
         .aliases = {"cohere", "command_r7b", "command-a", "cohere_command3", "cohere2"},
         .syntax = CallSyntax::kJson,
         .call_begin = {"<|START_ACTION|>"},
         .call_end = "<|END_ACTION|>",
         .dropped = {"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"},
         .texts = {.begin = "<|START_ACTION|>[\n    ",
                   .end = "\n]<|END_ACTION|>",
                   .between = ",\n    ",
                   .call = "{\"tool_call_id\": \"INDEX\", \"tool_name\": \"NAME\", \"parameters\": ",
                   .call_end = "}"},
         .seen_in_template = {"<|START_ACTION|>"}},
        {.name = "deepseek-v3.2",
         .aliases = {"deepseek-dsml", "deepseek-v4"},
         .syntax = CallSyntax::kKeyValue,
         .section_begin = {"<｜DSML｜function_calls>", "<｜DSML｜tool_calls>"},
         .section_end = {"</｜DSML｜function_calls>", "</｜DSML｜tool_calls>"},
         .call_begin = {"<｜DSML｜invoke name=\""},
         .call_end = "</｜DSML｜invoke>",
         .name_end = "\">",
         .key_begin = "<｜DSML｜parameter name=\"",
         .key_end = "\"",
         .value_begin = "string=\"",
         .value_end = "</｜DSML｜parameter>",
         .typed_values = true,
         .texts = {.begin = "<｜DSML｜function_calls>\n",
                   .end = "\n</｜DSML｜function_calls>",
                   .between = "\n",
                   .call = "<｜DSML｜invoke name=\"NAME\">\n",
                   .call_end = "</｜DSML｜invoke>",
                   .key = "<｜DSML｜parameter name=\"",
                   .key_end = "\" ",
                   .text = "string=\"true\">",
                   .json = "string=\"false\">",
                   .value_end = "</｜DSML｜parameter>\n"},
         .seen_in_template = {"<｜DSML｜"}},
        {.name = "deepseek-v3",
         .aliases = {"deepseek-r1", "deepseekv3"},
         .syntax = CallSyntax::kNameJson,
         .section_begin = {"<｜tool▁calls▁begin｜>"},
         .section_end = {"<｜tool▁calls▁end｜>"},
         .call_begin = {"<｜tool▁call▁begin｜>"},
         .call_end = "<｜tool▁call▁end｜>",
         .before_name = "function<｜tool▁sep｜>",
         .name_end = "\n",
         .before_args = "```json",
         .after_args = "```",
         .texts = {.begin = "<｜tool▁calls▁begin｜>",
                   .end = "<｜tool▁calls▁end｜>",
                   .between = "\n",
                   .call = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n```json\n",
                   .call_end = "\n```<｜tool▁call▁end｜>"},
         .seen_in_template = {"<｜tool▁calls▁begin｜>", "```json"}},
        {.name = "deepseek-v3.1",
         .aliases = {"deepseek_v31", "deepseek-v3.2-exp"},
         .syntax = CallSyntax::kNameJson,
         .section_begin = {"<｜tool▁calls▁begin｜>"},
         .section_end = {"<｜tool▁calls▁end｜>"},
         .call_begin = {"<｜tool▁call▁begin｜>"},
         .call_end = "<｜tool▁call▁end｜>",
         .name_end = "<｜tool▁sep｜>",
         .texts = {.begin = "<｜tool▁calls▁begin｜>",
                   .end = "<｜tool▁calls▁end｜>",
                   .call = "<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>",
                   .call_end = "<｜tool▁call▁end｜>"},
         .seen_in_template = {"<｜tool▁calls▁begin｜>"}},
        {.name = "kimi-k2",
         .aliases = {"kimi", "kimi-k2.5"},
         .syntax = CallSyntax::kNameJson,
         .section_begin = {"<|tool_calls_section_begin|>"},
         .section_end = {"<|tool_calls_section_end|>"},
         .call_begin = {"<|tool_call_begin|>"},
         .call_end = "<|tool_call_end|>",
         .name_end = "<|tool_call_argument_begin|>",
         .name_prefix = "functions.",
         .name_index = true,
         .ids = CallIds::kModelsName,
         .texts = {.begin = "<|tool_calls_section_begin|>",
                   .end = "<|tool_calls_section_end|>",
                   .call = "<|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>",
                   .call_end = "<|tool_call_end|>"},
         .seen_in_template = {"<|tool_calls_section_begin|>"}},
        {.name = "minimax-m2",
         .aliases = {"minimax"},
         .syntax = CallSyntax::kKeyValue,
         .section_begin = {"<minimax:tool_call>"},
         .section_end = {"</minimax:tool_call>"},
         .call_begin = {"<invoke name=\""},
         .call_end = "</invoke>",
         .name_end = "\">",
         .key_begin = "<parameter name=\"",
         .key_end = "\">",
         .value_end = "</parameter>",
         .texts = {.begin = "<minimax:tool_call>\n",
                   .end = "\n</minimax:tool_call>",
                   .between = "\n",
                   .call = "<invoke name=\"NAME\">\n",
                   .call_end = "</invoke>",
                   .key = "<parameter name=\"",
                   .key_end = "\">",
                   .value_end = "</parameter>\n"},
         .seen_in_template = {"<minimax:tool_call>"}},
        {.name = "seed-oss",
         .aliases = {"seed", "seed_oss"},
         .syntax = CallSyntax::kKeyValue,
         .section_begin = {"<seed:tool_call>"},
         .section_end = {"</seed:tool_call>"},
         .call_begin = {"<function="},
         .call_end = "</function>",
         .name_end = ">",
         .key_begin = "<parameter=",
         .key_end = ">",
         .value_end = "</parameter>",
         .line_values = true,
         .texts = {.between = "\n",
                   .call = "<seed:tool_call>\n<function=NAME>\n",
                   .call_end = "</function>\n</seed:tool_call>",
                   .key = "<parameter=",
                   .key_end = ">\n",
                   .value_end = "\n</parameter>\n"},
         .seen_in_template = {"<seed:tool_call>"}},
        {.name = "qwen3-coder",
         .aliases = {"qwen3_xml", "qwen3.5", "step3p5"},
         .syntax = CallSyntax::kKeyValue,
         .section_begin = {"<tool_call>"},
         .section_end = {"</tool_call>"},
         .call_begin = {"<function="},
         .call_end = "</function>",
         .name_end = ">",
         .key_begin = "<parameter=",
         .key_end = ">",
         .value_end = "</parameter>",
         .line_values = true,
         .texts = {.between = "\n",
                   .call = "<tool_call>\n<function=NAME>\n",
                   .call_end = "</function>\n</tool_call>",
                   .key = "<parameter=",
                   .key_end = ">\n",
                   .value_end = "\n</parameter>\n"},
         .seen_in_template = {"<function=", "<parameter="}},
        {.name = "minicpm5",
         .syntax = CallSyntax::kKeyValue,
         .call_begin = {"<function name=\""},
         .call_end = "</function>",
         .name_end = "\">",
         .key_begin = "<param name=\"",
         .key_end = "\">",
         .value_end = "</param>",
         .cdata = true,
         .texts = {.call = "<function name=\"NAME\">",
                   .call_end = "</function>",
                   .key = "<param name=\"",
                   .key_end = "\">",
                   .value_end = "</param>"},
         .seen_in_template = {"<function name=", "<param name="}},
        {.name = "glm4",
         .aliases = {"glm45", "glm47", "glm5", "glm-4.5"},
         .syntax = CallSyntax::kKeyValue,
         .call_begin = {"<tool_call>"},
         .call_end = "</tool_call>",
         .key_begin = "<arg_key>",
         .key_end = "</arg_key>",
         .value_begin = "<arg_value>",
         .value_end = "</arg_value>",
         .texts = {.between = "\n",
                   .call = "<tool_call>NAME\n",
                   .call_end = "</tool_call>",
                   .key = "<arg_key>",
                   .key_end = "</arg_key>\n<arg_value>",
                   .value_end = "</arg_value>\n"},
         .seen_in_template = {"<arg_key>"}},
        {.name = "functionary-v3.1",
         .syntax = CallSyntax::kNameJson,
         .call_begin = {"<function="},
         .call_end = "</function>",
         .name_end = ">",
         .texts = {.call = "<function=NAME>", .call_end = "</function>"},
         .seen_in_template = {"<function="}},
        {.name = "mistral",
         .aliases = {"mistral-nemo", "magistral", "devstral"},
         .syntax = CallSyntax::kNameJson,
         .call_begin = {"[TOOL_CALLS]"},
         .name_end = "[ARGS]",
         .id_begin = "[CALL_ID]",
         .ids = CallIds::kNine,
         .texts = {.call = "[TOOL_CALLS]NAME[ARGS]"},
         .seen_in_template = {"[TOOL_CALLS]", "[ARGS]"}},
        {.name = "mistral-list",
         .aliases = {"mistral-v3"},
         .syntax = CallSyntax::kNameJson,
         .call_begin = {"[TOOL_CALLS]"},
         .name_end = "[ARGS]",
         .id_begin = "[CALL_ID]",
         .ids = CallIds::kNine,
         .texts = {.begin = "[TOOL_CALLS] [",
                   .end = "]",
                   .between = ", ",
                   .call = "{\"name\": \"NAME\", \"arguments\": ",
                   .call_end = "}"},
         .seen_in_template = {"[TOOL_CALLS]"}},
        {.name = "phi-4-mini",
         .aliases = {"phi4-mini-json", "phi-4", "phi4"},
         .syntax = CallSyntax::kJson,
         .call_begin = {"<|tool_call|>", "functools"},
         .call_end = "<|/tool_call|>",
         .texts = {.begin = "<|tool_call|>[",
                   .end = "]<|/tool_call|>",
                   .between = ", ",
                   .call = "{\"name\": \"NAME\", \"arguments\": ",
                   .call_end = "}"},
         .seen_in_template = {"<|/tool_call|>"}},
        {.name = "granite",
         .aliases = {"granite-20b-fc", "granite3"},
         .syntax = CallSyntax::kJson,
         .call_begin = {"<|tool_call|>", "<tool_call>"},
         .call_end = "</tool_call>",
         .texts = {.begin = "<|tool_call|>[",
                   .end = "]",
                   .between = ", ",
                   .call = "{\"name\": \"NAME\", \"arguments\": ",
                   .call_end = "}"},
         .seen_in_template = {"<|tool_call|>"}},
        {.name = "lfm2",
         .syntax = CallSyntax::kPythonic,
         .call_begin = {"<|tool_call_start|>"},
         .call_end = "<|tool_call_end|>",
         .texts = {.begin = "<|tool_call_start|>[",
                   .end = "]<|tool_call_end|>",
                   .between = ", ",
                   .call = "NAME(",
                   .call_end = ")"},
         .seen_in_template = {"<|tool_call_start|>"}},
        {.name = "pythonic",
         .aliases = {"llama4_pythonic", "llama3_pythonic", "llama4"},
         .syntax = CallSyntax::kPythonic,
         .call_begin = {"<|python_start|>", "<|python_tag|>"},
         .call_end = "<|python_end|>",
         .bare = true,
         .texts = {.begin = "[", .end = "]", .between = ", ", .call = "NAME(", .call_end = ")"},
         .seen_in_template = {"[func_name1(params_name1"}},
        {.name = "llama3",
         .aliases = {"llama3_json", "llama4_json", "llama"},
         .syntax = CallSyntax::kJson,
         .call_begin = {"<|python_tag|>"},
         .bare = true,
         .separator = ";",
         .texts = {.between = "; ", .call = "{\"name\": \"NAME\", \"parameters\": ", .call_end = "}"},
         .seen_in_template = {"Respond in the format {\"name\": function name, \"parameters\""}},
        {.name = "hermes",
         .aliases = {"qwen", "qwen2", "qwen2.5", "qwen3", "hermes_2_pro"},
         .syntax = CallSyntax::kJson,
         .call_begin = {"<tool_call>"},
         .call_end = "</tool_call>",
         .texts = {.between = "\n",
                   .call = "<tool_call>\n{\"name\": \"NAME\", \"arguments\": ",
                   .call_end = "}\n</tool_call>"},
         .seen_in_template = {"<tool_call>"}},
    };
}

const std::vector<OutputFormat>& formats() {
    static const std::vector<OutputFormat> kFormats = make_formats();
    return kFormats;
}

std::string plain(std::string_view name) {
    std::string out;
    for (const char c : name) {
        out += c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

struct TagPair {
    std::string_view begin, end;
};
constexpr TagPair kThink{"<think>", "</think>"};
constexpr std::array<TagPair, 6> kTags{{kThink,
                                        {"[THINK]", "[/THINK]"},
                                        {"<seed:think>", "</seed:think>"},
                                        {"<|START_THINKING|>", "<|END_THINKING|>"},
                                        {"<|begin_of_thought|>", "<|end_of_thought|>"},
                                        {"<reasoning>", "</reasoning>"}}};

ReasoningTags tags(TagPair pair) { return {std::string(pair.begin), std::string(pair.end)}; }

}  // namespace

std::span<const OutputFormat> output_formats() { return formats(); }

const OutputFormat* find_output_format(std::string_view name) {
    const std::string wanted = plain(name);
    for (const OutputFormat& format : formats()) {
        if (plain(format.name) == wanted ||
            std::ranges::any_of(format.aliases, [&](std::string_view alias) { return plain(alias) == wanted; })) {
            return &format;
        }
    }
    return nullptr;
}

const OutputFormat* detect_output_format(std::string_view chat_template) {
    for (const OutputFormat& format : formats()) {
        const auto seen = [&](std::string_view text) { return chat_template.find(text) != std::string_view::npos; };
        if (!format.seen_in_template.empty() && std::ranges::all_of(format.seen_in_template, seen)) {
            return &format;
        }
    }
    return nullptr;
}

ReasoningTags find_reasoning_tags(std::string_view name) {
    const std::string wanted = plain(name);
    if (wanted == "mistral" || wanted == "magistral") {
        return tags(kTags[1]);
    }
    if (wanted == "seed-oss" || wanted == "seed") {
        return tags(kTags[2]);
    }
    if (wanted == "command-r" || wanted == "cohere" || wanted == "command-a") {
        return tags(kTags[3]);
    }
    constexpr std::array<std::string_view, 12> kThinkers{"think",       "qwen3",        "deepseek-r1", "deepseek-v3",
                                                         "deepseek-v4", "glm45",        "glm4",        "kimi-k2",
                                                         "minimax-m2",  "hunyuan-a13b", "granite",     "ernie45"};
    return std::ranges::find(kThinkers, wanted) != kThinkers.end() ? tags(kThink) : ReasoningTags{};
}

ReasoningTags detect_reasoning_tags(std::string_view chat_template) {
    for (const TagPair& pair : kTags) {
        if (chat_template.find(pair.end) != std::string_view::npos) {
            return tags(pair);
        }
    }
    return {};
}

std::string output_format_names() {
    std::string out;
    for (const OutputFormat& format : formats()) {
        out += (out.empty() ? "" : ", ") + std::string(format.name);
    }
    return out;
}

}  // namespace gantry::text
