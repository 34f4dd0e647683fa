// The part of the reader that knows objects: which names may come, and what a complete name means.

#include <algorithm>
#include <utility>

#include "runtime/grammar/schema/reader.hpp"

namespace gantry::grammar {

namespace {

/// All ways to let a property stand for some of what is still owed: subsets of the bits.
std::vector<uint32_t> subsets(uint32_t bits) {
    std::vector<uint32_t> out;
    for (uint32_t part = bits;; part = (part - 1) & bits) {
        out.push_back(part);
        if (part == 0) {
            return out;
        }
    }
}

}  // namespace

bool JsonReader::object_closable(const Frame& frame) {
    return Feasible::closable(feasible_.plan(frame.a), object_states_[frame.b]);
}

std::vector<JsonReader::Frame> JsonReader::keys(const Frame& frame) {
    const ObjectPlan& plan = feasible_.plan(frame.a);
    const ObjectState state = object_states_[frame.b];
    Frame object = frame;
    object.c = kPhaseNext;
    object.blanks = 0;
    const auto fits = [&](uint32_t name, bool region, uint32_t witness) {
        const auto ways = subsets(witness & state.owed);
        return std::any_of(ways.begin(), ways.end(), [&](uint32_t met) {
            return Feasible::finishable(plan, Feasible::with_property(plan, state, name, region, met));
        });
    };
    std::vector<Frame> out;
    Frame key;
    key.kind = Kind::kKey;
    std::vector<std::u32string> names;
    for (uint32_t i = 0; i < plan.names.size(); ++i) {
        if (!std::binary_search(state.seen.begin(), state.seen.end(), i) && fits(i, false, plan.names[i].witness)) {
            names.push_back(plan.names[i].text);
        }
    }
    if (!names.empty()) {
        key.parent = push(object);
        key.a = terms_.languages().words(std::move(names));
        key.c = kNamed;
        out.push_back(key);
    }
    for (uint32_t i = 0; i < plan.regions.size(); ++i) {
        if (!fits(0, true, plan.regions[i].witness)) {
            continue;
        }
        key.a = plan.regions[i].names;
        if (state.taken != Languages::kNone) {
            key.a = terms_.languages().both({key.a, terms_.languages().negate(state.taken)});
        }
        if (terms_.languages().alive(key.a)) {
            key.parent = push(object);
            key.c = i;
            out.push_back(key);
        }
    }
    return out;
}

void JsonReader::step_object(const Frame& frame, uint8_t byte, Threads& out) {
    if (blank(frame, byte, out)) {
        return;
    }
    if (byte == '}' && frame.c != kPhaseNext) {
        if (object_closable(frame)) {
            out.push_back(frame.parent);
        }
    } else if (byte == '"' && frame.c != kPhaseAfter) {
        for (const Frame& key : keys(frame)) {
            out.push_back(push(key));
        }
    } else if (byte == ',' && frame.c == kPhaseAfter && !keys(frame).empty()) {
        Frame more = frame;
        more.c = kPhaseNext;
        more.blanks = 0;
        out.push_back(push(more));
    }
}

/// A key frame holds the rest of the name (a), the place in a character (b), where the name is from (c: a region or
/// kNamed) and, where it matters which name it is, the characters so far (blanks, as names have none before them).
void JsonReader::step_key(const Frame& frame, uint8_t byte, Threads& out) {
    if (byte == '"' && frame.b == 0) {
        if (terms_.languages().has_empty_text(frame.a)) {
            key_done(frame, out);
        }
        return;
    }
    uint32_t character = 0;
    const auto to = text_reader_.next({frame.a, frame.b}, byte, character);
    if (to.lang == Languages::kNone) {
        return;
    }
    Frame more = frame;
    more.a = to.lang;
    more.b = to.within;
    const bool remembers = frame.c == kNamed || feasible_.plan(frames_[frame.parent].a).remembers;
    if (remembers && character != TextReader::kNoCharacter) {
        more.blanks = text_number(texts_[frame.blanks] + static_cast<char32_t>(character));
    }
    out.push_back(push(more));
}

void JsonReader::key_done(const Frame& frame, Threads& out) {
    const Frame object = frames_[frame.parent];
    const ObjectPlan& plan = feasible_.plan(object.a);
    const ObjectState state = object_states_[object.b];
    const bool region = frame.c != kNamed;
    const std::u32string text = texts_[frame.blanks];
    uint32_t name = 0;
    if (!region) {
        const auto at = std::lower_bound(plan.names.begin(), plan.names.end(), text,
                                         [](const ObjectPlan::Name& n, const std::u32string& t) { return n.text < t; });
        name = static_cast<uint32_t>(at - plan.names.begin());
    }
    const Expr value = region ? plan.regions[frame.c].value : plan.names[name].value;
    const uint32_t witness = region ? plan.regions[frame.c].witness : plan.names[name].witness;
    for (const uint32_t met : subsets(witness & state.owed)) {
        ObjectState after = Feasible::with_property(plan, state, name, region, met);
        if (!Feasible::finishable(plan, after)) {
            continue;
        }
        if (region && plan.remembers) {
            after.taken = terms_.languages().either({after.taken, terms_.languages().words({text})});
        }
        std::vector<Expr> parts{value};
        for (size_t i = 0; i < plan.some.size(); ++i) {
            if ((met >> i & 1U) != 0) {
                parts.push_back(plan.some[i]);
            }
        }
        const Expr all = terms_.both(std::move(parts));
        if (!feasible_.any(all)) {
            continue;  // two demands that one value cannot meet together
        }
        Frame behind = object;
        behind.b = object_state(after);
        behind.c = kPhaseAfter;
        Frame colon;
        colon.kind = Kind::kColon;
        colon.parent = push(behind);
        colon.a = all;
        out.push_back(push(colon));
    }
}

uint32_t JsonReader::object_state(const ObjectState& state) {
    const auto [at, fresh] = object_index_.emplace(state, static_cast<uint32_t>(object_states_.size()));
    if (fresh) {
        object_states_.push_back(state);
    }
    return at->second;
}

uint32_t JsonReader::text_number(std::u32string text) {
    const auto [at, fresh] = text_index_.emplace(std::move(text), static_cast<uint32_t>(texts_.size()));
    if (fresh) {
        texts_.push_back(at->first);
    }
    return at->second;
}

}  // namespace gantry::grammar
