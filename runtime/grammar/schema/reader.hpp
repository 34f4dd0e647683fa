#pragma once

/// The automaton of a compiled schema: a JSON reader whose places are numbers.
///
/// A thread is a stack of frames (an object with the properties seen so far, a text with what may still come, ...),
/// interned from the bottom up, so that a thread is one number: its top frame. A state is the set of threads that the
/// text so far allows; there is more than one only while alternatives (anyOf, contains, ...) are still open. Threads
/// are made only where the rest can be finished (feasible.hpp), so none of them is ever stuck.

#include <array>
#include <bitset>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/grammar/automaton.hpp"
#include "runtime/grammar/schema/feasible.hpp"
#include "runtime/grammar/schema/text_reader.hpp"

namespace gantry::grammar {

/// Everything that a compiled schema consists of.
struct CompiledSchema {
    virtual ~CompiledSchema() = default;
    virtual Feasible& feasible() = 0;
    virtual Terms& terms() = 0;
    virtual Expr root() = 0;
};

class JsonReader : public Automaton {
  public:
    JsonReader(std::unique_ptr<CompiledSchema> schema, bool any_whitespace);

    State start() override { return start_; }
    State next(State state, uint8_t byte) override;
    bool accepts(State state) override;
    const std::bitset<256>& self_loop(State state) override;
    PlainRun plain_run(State state, size_t limit) override;
    size_t state_count() const override { return states_.size() + frames_.size(); }

  private:
    using Thread = uint32_t;
    static constexpr uint32_t kPhaseFirst = 0;      ///< behind the opening bracket
    static constexpr uint32_t kPhaseAfter = 1;      ///< behind an item or a property
    static constexpr uint32_t kPhaseNext = 2;       ///< behind a comma (objects)
    static constexpr uint32_t kNamed = UINT32_MAX;  ///< a key out of the names that the schema spells out
    enum class Kind : uint32_t { kDone, kValue, kWord, kNumber, kText, kArray, kObject, kKey, kColon };
    struct Frame {
        Kind kind = Kind::kDone;
        Thread parent = 0;
        uint32_t a = 0;
        uint32_t b = 0;
        uint32_t c = 0;
        uint32_t blanks = 0;  ///< white space just before
        uint32_t depth = 0;   ///< objects and arrays around
        bool operator==(const Frame&) const = default;
    };
    struct FrameHash {
        size_t operator()(const Frame& frame) const;
    };
    using Threads = std::vector<Thread>;

    /// A state's moves: in a list as long as they are few, then in a table.
    struct Moves {
        static constexpr size_t kFew = 12;
        static constexpr uint32_t kNoTable = UINT32_MAX;
        uint32_t table = kNoTable;
        std::vector<std::pair<uint8_t, State>> few;
    };
    static constexpr State kUnknown = kDead - 1;

    State compute_next(State state, uint8_t byte);
    Thread push(Frame frame);
    State intern(Threads threads);
    void step(const Frame& frame, uint8_t byte, Threads& out);
    bool blank(const Frame& frame, uint8_t byte, Threads& out);
    void step_value(const Frame& frame, uint8_t byte, Threads& out);
    void step_word(const Frame& frame, uint8_t byte, Threads& out);
    void step_number(const Frame& frame, uint8_t byte, Threads& out);
    void step_text(const Frame& frame, uint8_t byte, Threads& out);
    void step_array(const Frame& frame, uint8_t byte, Threads& out);
    void step_object(const Frame& frame, uint8_t byte, Threads& out);
    void step_key(const Frame& frame, uint8_t byte, Threads& out);
    /// Where an item may begin: each way to count it gives a frame for its value.
    std::vector<Frame> items(const Frame& frame);
    /// Where a property's name may begin.
    std::vector<Frame> keys(const Frame& frame);
    void key_done(const Frame& frame, Threads& out);
    /// An array whose items must differ: what its items are is remembered.
    bool is_unique(Thread array) const;
    /// The place behind a value that is `value` and nothing else.
    Thread behind(Thread parent, Expr value);
    bool array_closable(const Frame& frame);
    bool object_closable(const Frame& frame);

    uint32_t object_state(const ObjectState& state);
    uint32_t array_state(const ArrayState& state);
    uint32_t text_number(std::u32string text);

    std::unique_ptr<CompiledSchema> schema_;
    Feasible& feasible_;
    Terms& terms_;
    TextReader text_reader_;
    bool any_whitespace_;

    std::vector<Frame> frames_;
    std::unordered_map<Frame, Thread, FrameHash> frame_index_;
    std::vector<Threads> states_;
    std::map<Threads, State> state_index_;
    std::unordered_map<Thread, State> single_index_;
    std::vector<Moves> moves_;  ///< by state
    std::vector<std::array<State, 256>> move_tables_;
    std::unordered_map<State, std::bitset<256>> loops_;
    std::vector<ObjectState> object_states_;
    std::map<ObjectState, uint32_t> object_index_;
    std::vector<ArrayState> array_states_;
    std::map<ArrayState, uint32_t> array_index_;
    std::vector<std::u32string> texts_;
    std::map<std::u32string, uint32_t> text_index_;
    State start_ = kDead;
};

}  // namespace gantry::grammar
