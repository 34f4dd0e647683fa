#include "runtime/grammar/schema/reader.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

// A newline and up to eight blanks a level pass; endless runs, in which weak models get lost, do not.
constexpr uint32_t kBlanks = 2;
constexpr uint32_t kBlanksPerLevel = 8;

constexpr std::string_view kWords[] = {"null", "true", "false"};

bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r'; }

}  // namespace

size_t JsonReader::FrameHash::operator()(const Frame& f) const {
    uint64_t h = static_cast<uint64_t>(f.kind) << 32 | f.parent;
    for (const uint32_t v : {f.a, f.b, f.c, f.blanks}) {
        h = (h ^ v) * 0x9E3779B97F4A7C15ULL;
        h ^= h >> 31;
    }
    return h;
}

JsonReader::JsonReader(std::unique_ptr<CompiledSchema> schema, bool any_whitespace)
    : schema_(std::move(schema)),
      feasible_(schema_->feasible()),
      terms_(schema_->terms()),
      text_reader_(terms_.languages()),
      any_whitespace_(any_whitespace) {
    text_number({});
    const Thread done = push({});
    Frame value;
    value.kind = Kind::kValue;
    value.parent = done;
    value.a = schema_->root();
    start_ = intern({push(value)});
}

JsonReader::Thread JsonReader::push(Frame frame) {
    if (!frames_.empty()) {
        frame.depth = frames_[frame.parent].depth + (frame.kind == Kind::kArray || frame.kind == Kind::kObject ? 1 : 0);
    }
    const auto [at, fresh] = frame_index_.emplace(frame, static_cast<Thread>(frames_.size()));
    if (fresh) {
        frames_.push_back(frame);
    }
    return at->second;
}

Automaton::State JsonReader::intern(Threads threads) {
    if (threads.empty()) {
        return kDead;
    }
    std::sort(threads.begin(), threads.end());
    threads.erase(std::unique(threads.begin(), threads.end()), threads.end());
    const auto number = static_cast<State>(states_.size());
    State found = number;
    if (threads.size() == 1) {
        found = single_index_.emplace(threads[0], number).first->second;
    } else {
        found = state_index_.emplace(threads, number).first->second;
    }
    if (found == number) {
        states_.push_back(std::move(threads));
        moves_.emplace_back();
    }
    return found;
}

Automaton::State JsonReader::next(State state, uint8_t byte) {
    if (const uint32_t table = moves_[state].table; table != Moves::kNoTable) {
        if (const State known = move_tables_[table][byte]; known != kUnknown) {
            return known;
        }
    }
    for (const auto& [known, to] : moves_[state].few) {
        if (known == byte) {
            return to;
        }
    }
    const State to = compute_next(state, byte);
    Moves& moves = moves_[state];
    if (moves.table == Moves::kNoTable && moves.few.size() < Moves::kFew) {
        moves.few.emplace_back(byte, to);
        return to;
    }
    if (moves.table == Moves::kNoTable) {
        moves.table = static_cast<uint32_t>(move_tables_.size());
        move_tables_.emplace_back().fill(kUnknown);
        for (const auto& [known, target] : std::exchange(moves.few, {})) {
            move_tables_.back()[known] = target;
        }
    }
    move_tables_[moves.table][byte] = to;
    return to;
}

Automaton::State JsonReader::compute_next(State state, uint8_t byte) {
    Threads out;
    try {
        for (const Thread thread : states_[state]) {  // steps make frames, no states
            const Frame frame = frames_[thread];
            step(frame, byte, out);
        }
    } catch (const SchemaError&) {
        out.clear();  // a bound on patterns was met only now: this way is closed, others may go on
    }
    return intern(std::move(out));
}

bool JsonReader::accepts(State state) {
    return std::any_of(states_[state].begin(), states_[state].end(), [this](Thread thread) {
        const Frame& frame = frames_[thread];
        return frame.kind == Kind::kDone || (frame.kind == Kind::kNumber && terms_.numbers().complete(frame.a) &&
                                             frames_[frame.parent].kind == Kind::kDone);
    });
}

const std::bitset<256>& JsonReader::self_loop(State state) {
    const auto [it, added] = loops_.try_emplace(state);
    std::bitset<256>& loop = it->second;
    if (!added) {
        return loop;
    }
    for (const Thread thread : states_[state]) {
        const Frame& frame = frames_[thread];
        if ((frame.kind != Kind::kText && frame.kind != Kind::kKey) || frame.b != 0) {
            return loop;  // only the insides of texts go on unchanged
        }
    }
    for (unsigned byte = 0x20; byte < 0x80; ++byte) {
        loop[byte] = next(state, static_cast<uint8_t>(byte)) == state;
    }
    return loop;
}

Automaton::PlainRun JsonReader::plain_run(State state, size_t limit) {
    PlainRun longest;
    try {
        for (const Thread thread : states_[state]) {
            const Frame& frame = frames_[thread];
            if ((frame.kind != Kind::kText && frame.kind != Kind::kKey) || frame.b != 0) {
                return {};
            }
            const PlainRun run = terms_.languages().plain_run(frame.a, limit);
            if (states_[state].size() == 1) {
                return run;
            }
            longest.characters = std::max(longest.characters, run.characters);
        }
    } catch (const SchemaError&) {
        return {};  // too large to be looked at: byte by byte, then
    }
    return longest;
}

void JsonReader::step(const Frame& frame, uint8_t byte, Threads& out) {
    switch (frame.kind) {
        case Kind::kDone:
            return;
        case Kind::kValue:
            return step_value(frame, byte, out);
        case Kind::kWord:
            return step_word(frame, byte, out);
        case Kind::kNumber:
            return step_number(frame, byte, out);
        case Kind::kText:
            return step_text(frame, byte, out);
        case Kind::kArray:
            return step_array(frame, byte, out);
        case Kind::kObject:
            return step_object(frame, byte, out);
        case Kind::kKey:
            return step_key(frame, byte, out);
        case Kind::kColon:
            if (!blank(frame, byte, out) && byte == ':') {
                Frame value;
                value.kind = Kind::kValue;
                value.parent = frame.parent;
                value.a = frame.a;
                out.push_back(push(value));
            }
            return;
    }
}

/// Takes white space where it may stand. True if `byte` is white space.
bool JsonReader::blank(const Frame& frame, uint8_t byte, Threads& out) {
    if (!is_blank(byte)) {
        return false;
    }
    if (any_whitespace_ && frame.blanks < kBlanks + kBlanksPerLevel * frame.depth) {
        Frame more = frame;
        ++more.blanks;
        out.push_back(push(more));
    }
    return true;
}

void JsonReader::step_value(const Frame& frame, uint8_t byte, Threads& out) {
    if (blank(frame, byte, out)) {
        return;
    }
    const bool digit = byte == '-' || (byte >= '0' && byte <= '9');
    for (const Atom atom : feasible_.atoms(frame.a)) {
        Frame made;
        made.parent = frame.parent;
        made.a = atom;
        const uint32_t value = terms_.value(atom);
        switch (terms_.type(atom)) {
            case Type::kNull:
            case Type::kBoolean:
                for (uint32_t word = 0; word < 3; ++word) {
                    const bool fits =
                        terms_.type(atom) == Type::kNull ? word == 0 : word > 0 && (value & (word == 1 ? 2U : 1U)) != 0;
                    if (fits && static_cast<char>(byte) == kWords[word][0]) {
                        made.kind = Kind::kWord;
                        made.a = word;
                        made.b = 1;
                        out.push_back(push(made));
                    }
                }
                break;
            case Type::kNumber:
                if (digit) {
                    made.kind = Kind::kNumber;
                    made.a = terms_.numbers().next(terms_.numbers().start(value), byte);
                    if (made.a != Numbers::kDead) {
                        made.c = is_unique(made.parent) ? text_number({static_cast<char32_t>(byte)}) : 0;
                        out.push_back(push(made));
                    }
                }
                break;
            case Type::kString:
                if (byte == '"') {
                    made.kind = Kind::kText;
                    made.a = value;
                    out.push_back(push(made));
                }
                break;
            case Type::kArray:
                if (byte == '[') {
                    made.kind = Kind::kArray;
                    made.b = array_state(feasible_.start(atom));
                    out.push_back(push(made));
                }
                break;
            case Type::kObject:
                if (byte == '{') {
                    made.kind = Kind::kObject;
                    made.b = object_state(Feasible::start(feasible_.plan(atom)));
                    out.push_back(push(made));
                }
                break;
        }
    }
}

void JsonReader::step_word(const Frame& frame, uint8_t byte, Threads& out) {
    const auto word = kWords[frame.a];
    if (static_cast<char>(byte) != word[frame.b]) {
        return;
    }
    if (frame.b + 1 == word.size()) {
        out.push_back(
            !is_unique(frame.parent)
                ? frame.parent
                : behind(frame.parent, frame.a == 0 ? terms_.null() : terms_.booleans(frame.a == 1, frame.a == 2)));
        return;
    }
    Frame more = frame;
    ++more.b;
    out.push_back(push(more));
}

void JsonReader::step_number(const Frame& frame, uint8_t byte, Threads& out) {
    if (is_blank(byte) || byte == ',' || byte == ']' || byte == '}') {
        if (terms_.numbers().complete(frame.a)) {
            Thread after = frame.parent;
            if (is_unique(after)) {
                std::string text;
                for (const char32_t c : texts_[frame.c]) {
                    append_utf8(text, c);
                }
                after = behind(after, terms_.number(terms_.numbers().exactly(text)));
            }
            const Frame parent = frames_[after];
            step(parent, byte, out);
        }
        return;
    }
    Frame more = frame;
    more.a = terms_.numbers().next(frame.a, byte);
    if (more.a != Numbers::kDead) {
        more.c = is_unique(frame.parent) ? text_number(texts_[frame.c] + static_cast<char32_t>(byte)) : 0;
        out.push_back(push(more));
    }
}

void JsonReader::step_text(const Frame& frame, uint8_t byte, Threads& out) {
    if (byte == '"' && frame.b == 0) {
        if (terms_.languages().has_empty_text(frame.a)) {
            out.push_back(!is_unique(frame.parent)
                              ? frame.parent
                              : behind(frame.parent, terms_.text(terms_.languages().words({texts_[frame.c]}))));
        }
        return;
    }
    uint32_t character = 0;
    const auto to = text_reader_.next({frame.a, frame.b}, byte, character);
    if (to.lang != Languages::kNone) {
        Frame more = frame;
        more.a = to.lang;
        more.b = to.within;
        if (character != TextReader::kNoCharacter && is_unique(frame.parent)) {
            more.c = text_number(texts_[frame.c] + static_cast<char32_t>(character));
        }
        out.push_back(push(more));
    }
}

std::vector<JsonReader::Frame> JsonReader::items(const Frame& frame) {
    std::vector<Frame> out;
    const ArrayState state = array_states_[frame.b];
    for (const auto& move : feasible_.moves(frame.a, state)) {
        Frame after = frame;
        after.b = array_state(move.to);
        after.c = kPhaseAfter;
        after.blanks = 0;
        Frame value;
        value.kind = Kind::kValue;
        value.parent = push(after);
        value.a = move.item;
        out.push_back(value);
    }
    return out;
}

bool JsonReader::is_unique(Thread array) const {
    const Frame& frame = frames_[array];
    return frame.kind == Kind::kArray && terms_.array(frame.a).unique;
}

JsonReader::Thread JsonReader::behind(Thread parent, Expr value) {
    Frame frame = frames_[parent];
    ArrayState state = array_states_[frame.b];
    state.seen.insert(std::lower_bound(state.seen.begin(), state.seen.end(), value), value);
    frame.b = array_state(state);
    return push(frame);
}

bool JsonReader::array_closable(const Frame& frame) { return feasible_.closable(frame.a, array_states_[frame.b]); }

void JsonReader::step_array(const Frame& frame, uint8_t byte, Threads& out) {
    if (blank(frame, byte, out)) {
        return;
    }
    if (byte == ']') {
        if (array_closable(frame)) {
            out.push_back(frame.parent);
        }
    } else if (frame.c == kPhaseFirst) {
        for (Frame value : items(frame)) {
            value.depth = frames_[value.parent].depth;
            step_value(value, byte, out);
        }
    } else if (byte == ',') {
        for (const Frame& value : items(frame)) {
            out.push_back(push(value));
        }
    }
}

uint32_t JsonReader::array_state(const ArrayState& state) {
    const auto [at, fresh] = array_index_.emplace(state, static_cast<uint32_t>(array_states_.size()));
    if (fresh) {
        array_states_.push_back(state);
    }
    return at->second;
}

}  // namespace gantry::grammar
