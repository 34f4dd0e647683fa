#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/output/format.hpp"
#include "runtime/text/output/json_scanner.hpp"

namespace gantry::text {

/// A function that the model may call.
struct ToolInfo {
    std::string name;
    std::map<std::string, uint8_t, std::less<>> types;  ///< JsonType bits of each parameter
};

/// How one request's answers are to be read. Immutable; the n answers share it.
struct OutputPlan {
    const OutputFormat* format = nullptr;  ///< null: no calls are looked for
    std::vector<ToolInfo> tools;           ///< empty: likewise, but a format's envelope is still taken off
    ReasoningTags reasoning;
    bool starts_in_reasoning = false;           ///< the prompt has opened it
    bool parallel_calls = true;                 ///< false: the answer ends with its first call
    std::optional<uint32_t> reasoning_budget;   ///< tokens of reasoning, after which it is made to end
    std::vector<int32_t> reasoning_end_tokens;  ///< what makes it end
    std::vector<int32_t> marker_tokens;         ///< special tokens whose text is to be seen, sorted

    /// Whether an answer's text can be anything but content.
    bool trivial() const { return format == nullptr && !reasoning; }
    const ToolInfo* find(std::string_view name) const;
};

/// A piece of an answer. Fragments of one call's arguments follow its kToolBegin, before any other piece's.
struct OutputPiece {
    enum class Kind : uint8_t { kContent, kReasoning, kToolBegin, kToolArguments, kToolEnd };
    Kind kind = Kind::kContent;
    uint32_t call = 0;  ///< which call of the answer, from 0
    std::string text;   ///< content, reasoning, or a fragment of the arguments' JSON text
    std::string id;     ///< kToolBegin
    std::string name;   ///< kToolBegin

    friend bool operator==(const OutputPiece&, const OutputPiece&) = default;
};

/// Splits one answer's text into content, reasoning and calls while it is written. Nothing is let out that may turn
/// out to be a marker, and the pieces depend on the text alone, however it is cut. What looks like a call and is none
/// (not well formed, an unknown name) stays content, and fault() says so. Used by one thread.
class OutputParser {
  public:
    /// `id_base` makes the calls' ids: the same base gives the same ids.
    OutputParser(std::shared_ptr<const OutputPlan> plan, std::string id_base);

    /// Appends what became certain to `out`; adjacent pieces of one kind are joined.
    void push(std::string_view text, std::vector<OutputPiece>& out);
    /// The rest of an answer that has ended.
    void finish(std::vector<OutputPiece>& out);

    bool reasoning() const {
        return mode_ == Mode::kReasoning || (mode_ == Mode::kMessage && body_ == Body::kReasoning);
    }
    uint32_t calls() const { return calls_; }  ///< begun
    bool in_call() const { return in_call_; }
    /// The first thing that was wrong with what looked like a call; empty: nothing.
    const std::string& fault() const { return fault_; }

  private:
    enum class Mode : uint8_t {
        kText,
        kReasoning,
        kJsonArguments,  ///< inside the arguments' value
        kJsonTail,       ///< between that and the end of the call's object
        kNameTail,       ///< between the arguments and the call's end marker
        kListGap,        ///< between calls of a list
        kKeys,           ///< before a key's tag or the end of the call
        kValue,          ///< inside a value between tags
        kPython,         ///< before a keyword argument or the closing bracket
        kHeader,         ///< in a message's header
        kMessage,        ///< in a message's body
    };
    enum class Body : uint8_t { kContent, kReasoning };
    enum class Verdict : uint8_t { kMore, kNo, kYes };
    class Cursor;
    struct Call {
        std::string name, id;
        std::string arguments;  ///< where they are complete
        bool complete = false;
        bool object = false;  ///< the arguments lie in an object beside the name
        bool list = false;
        bool section = false;
        Mode next = Mode::kJsonArguments;
    };

    void run(std::vector<OutputPiece>& out);
    bool step();
    bool step_text();
    bool step_bare(bool& waits);
    bool step_marker(std::string_view marker);
    bool step_reasoning();
    bool step_json_arguments();
    bool step_json_tail();
    bool step_name_tail();
    bool step_list_gap();
    bool step_keys();
    bool step_value();
    bool step_python();
    bool step_header();
    bool step_message();

    Verdict read_call(Cursor& in, Call& call) const;
    Verdict read_json_call(Cursor& in, Call& call) const;
    Verdict read_members(Cursor& in, Call& call) const;
    Verdict read_named_call(Cursor& in, Call& call) const;
    Verdict read_python_call(Cursor& in, Call& call) const;
    /// Reads a call at the front of the pending text. kYes: it has begun and its head is consumed.
    Verdict try_call(bool in_list);
    bool after_verdict(Verdict verdict, size_t skipped);
    std::optional<size_t> python_value_end();
    bool read_message_header(std::string_view header);

    void begin_call(const Call& call);
    void end_call();
    void end_arguments();
    void break_call(std::string_view why);
    void close_arguments();
    void begin_reasoning();
    void end_reasoning();
    void note(std::string_view why);
    void consume(size_t length) { pending_.erase(0, length); }
    void content(std::string_view text);
    void reason(std::string_view text);
    /// Without the white space around it, which waits for what follows. False if there was nothing else.
    bool let_out(OutputPiece::Kind kind, std::string_view text);
    void arguments(std::string_view json);
    void emit(OutputPiece piece);
    std::string make_id() const;

    std::shared_ptr<const OutputPlan> plan_;
    const OutputFormat& format_;
    std::string id_base_;
    std::vector<OutputPiece>* out_ = nullptr;
    std::string pending_;  ///< text not understood yet
    bool ended_ = false;
    Mode mode_ = Mode::kText;
    bool seen_content_ = false;  ///< something but white space was let out as content
    bool strip_ = false;         ///< white space is dropped up to the next content
    std::string space_;          ///< white space at content's or reasoning's end, which may be dropped yet
    bool bare_failed_ = false;
    uint32_t calls_ = 0;
    bool in_call_ = false;
    bool in_list_ = false, in_section_ = false;
    bool object_call_ = false;     ///< the arguments lie in the call's JSON object
    bool empty_arguments_ = true;  ///< nothing of the arguments was let out yet
    JsonScanner scanner_;
    const ToolInfo* tool_ = nullptr;
    uint8_t value_types_ = 0;
    bool value_streams_ = false, value_begun_ = false;
    std::string value_;  ///< of a value that is converted when it is whole
    struct {
        size_t at = 0;
        char quote = 0;
        bool escaped = false;
        std::string closers;
    } python_;  ///< how far the search for the end of a Python value has come
    Body body_ = Body::kContent;
    std::string fault_;
};

}  // namespace gantry::text
