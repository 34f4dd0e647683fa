#pragma once

/// How model families write tool calls and reasoning, as data.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::text {

/// How a call is written between its markers.
enum class CallSyntax : uint8_t {
    kNone,      ///< the family has no calls
    kJson,      ///< {"name": ..., "arguments": {...}}, alone or in a list
    kNameJson,  ///< the name, a separator, the arguments as JSON
    kKeyValue,  ///< the name, then each argument between tags of its own
    kPythonic,  ///< [name(key=value, ...), ...]
    kChannels,  ///< messages with headers that say whom they are for (gpt-oss' harmony, Functionary 3.2)
};

enum class CallIds : uint8_t {
    kLong,        ///< ours, "call_" and 24 characters
    kNine,        ///< ours, 9 letters and digits, which Mistral's templates insist on
    kModelsName,  ///< the model's own, "functions.NAME:N"
};

/// How an answer's calls are written when a grammar makes the model write them. In `call` NAME stands for the function
/// and INDEX, if it is there, for the call's number.
struct CallTexts {
    std::string_view begin = {}, end = {};  ///< around all of them
    std::string_view between = {};
    std::string_view call = {}, call_end = {};  ///< around the arguments
    std::string_view key = {}, key_end = {};    ///< kKeyValue: around KEY; then the value
    std::string_view text = {}, json = {};      ///< kKeyValue: before a value that is text, and before any other
    std::string_view value_end = {};            ///< kKeyValue
    std::string_view content = {};              ///< before an answer that is none
    std::string_view reasoning = {}, reasoning_end = {};  ///< of a message before it, where tags do not tell
};

/// One family. Markers are exact texts; an empty one does not exist. All are literals: static storage.
struct OutputFormat {
    std::string_view name;
    std::vector<std::string_view> aliases = {};  ///< names that catalogs and other servers use for it
    CallSyntax syntax = CallSyntax::kNone;
    std::vector<std::string_view> section_begin = {};  ///< around all calls of an answer; may be left out by the model
    std::vector<std::string_view> section_end = {};
    std::vector<std::string_view> call_begin = {};  ///< around each call
    std::string_view call_end = {};
    bool bare = false;                  ///< an answer that begins with { or [ may be a call without any marker
    std::string_view separator = ",";   ///< kJson, kPythonic: between calls
    std::string_view before_name = {};  ///< kNameJson: DeepSeek's "function<sep>"; may be left out
    std::string_view name_end = {};     ///< kNameJson, kKeyValue
    std::string_view id_begin = {};     ///< kNameJson: between name and name_end (Mistral's [CALL_ID])
    std::string_view before_args = {};  ///< kNameJson: "```json", may be left out
    std::string_view after_args = {};   ///< kNameJson: "```", likewise
    std::string_view name_prefix = {};  ///< not part of the name: "functions."
    bool name_index = false;            ///< a ":3" after the name is not part of it
    std::string_view key_begin = {};    ///< kKeyValue
    std::string_view key_end = {};
    std::string_view value_begin = {};
    std::string_view value_end = {};
    bool line_values = false;   ///< kKeyValue: one line end after value_begin and one before value_end belong to them
    bool cdata = false;         ///< kKeyValue: a value may be wrapped in <![CDATA[...]]>
    bool typed_values = false;  ///< kKeyValue: value_begin is followed by true"> or false">: is it a string?
    std::string_view header_begin = {};              ///< kChannels: a message begins; its header ends with ...
    std::string_view header_end = {};                ///< ... this
    std::vector<std::string_view> message_end = {};  ///< kChannels: ends a message's body, beside header_begin
    std::vector<std::string_view> dropped = {};      ///< markers without a meaning of their own
    CallIds ids = CallIds::kLong;
    CallTexts texts = {};
    /// A chat template that has all of these texts is of this family; empty: never detected.
    std::vector<std::string_view> seen_in_template = {};
};

/// All formats, in the order in which templates are asked for them.
std::span<const OutputFormat> output_formats();

/// By name or alias, case ignored, '-' and '_' alike; null if there is none.
const OutputFormat* find_output_format(std::string_view name);

/// The family that a chat template's text belongs to; null if it shows none.
const OutputFormat* detect_output_format(std::string_view chat_template);

/// What stands around a model's reasoning. Both empty: the model does not reason, or not in a way that can be told.
struct ReasoningTags {
    std::string begin, end;
    explicit operator bool() const { return !end.empty(); }
};

/// By a parser's name ("qwen3", "deepseek_r1", "mistral", ...) as other servers call them; empty tags if unknown.
ReasoningTags find_reasoning_tags(std::string_view name);
ReasoningTags detect_reasoning_tags(std::string_view chat_template);

/// "hermes, mistral, ..." for messages.
std::string output_format_names();

}  // namespace gantry::text
