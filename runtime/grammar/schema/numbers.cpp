#include "runtime/grammar/schema/numbers.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "runtime/grammar/schema/number_set.hpp"

namespace gantry::grammar {

struct Numbers::Impl {
    struct State {
        NumberSet set = 0;
        std::string text;
        bool complete = false;
    };

    bool any_spelling = false;
    std::vector<NumberRange> sets;
    std::unordered_map<std::string, NumberSet> set_index;
    std::vector<State> states;
    std::unordered_map<std::string, uint32_t> state_index;
    std::unordered_map<uint64_t, uint32_t> moves;

    NumberSet add(NumberRange set) {
        if (set.step) {  // multiples of 1 out of [0.5, 9] and out of [1, 9] stay apart: harmless
            std::erase_if(set.skips, [](const Decimal& s) { return s.zero(); });
        }
        const auto [at, fresh] = set_index.emplace(set.key(), static_cast<NumberSet>(sets.size()));
        if (fresh) {
            sets.push_back(std::move(set));
        }
        return at->second;
    }

    uint32_t state(NumberSet set, std::string text) {
        const auto prefix = NumberPrefix::parse(text);
        if (!can_continue(sets[set], prefix, any_spelling)) {
            return kDead;
        }
        const bool complete = prefix.is_number() && sets[set].contains(Decimal::parse(text));
        if (always_inside(sets[set], prefix, any_spelling)) {
            // Only the shape still matters: all such prefixes of one shape are one state.
            set = sets[set].whole() ? kWhole : kEvery;
            text = prefix.integer == "0" ? "0" : prefix.integer.size() == 1 ? "1" : "11";
            text += prefix.point ? (prefix.fraction.empty() ? "." : ".0") : "";
        } else if (prefix.exponent && (set == kEvery || (set == kWhole && !any_spelling))) {
            // What stands before the exponent no longer matters: it is a number, or an integer, either way.
            text = "1e";
            text += prefix.exponent_sign != 0 ? std::string(1, prefix.exponent_sign) : std::string();
            text += prefix.exponent_digits;
        }
        const auto key = std::to_string(set) + ":" + text;
        const auto [at, fresh] = state_index.emplace(key, static_cast<uint32_t>(states.size()));
        if (fresh) {
            states.push_back({set, std::move(text), complete});
        }
        return at->second;
    }
};

Numbers::Numbers(bool any_spelling) : impl_(std::make_unique<Impl>()) {
    impl_->any_spelling = any_spelling;
    impl_->add({});
    multiple_of("1");
}

Numbers::~Numbers() = default;

NumberSet Numbers::at_least(std::string_view text, bool open) {
    NumberRange set;
    set.raise_low(Decimal::parse(text), open);
    return impl_->add(std::move(set));
}

NumberSet Numbers::at_most(std::string_view text, bool open) {
    NumberRange set;
    set.lower_high(Decimal::parse(text), open);
    return impl_->add(std::move(set));
}

NumberSet Numbers::exactly(std::string_view text) { return both(at_least(text, false), at_most(text, false)); }

NumberSet Numbers::multiple_of(std::string_view text) {
    NumberRange set;
    set.step = Decimal::parse(text);
    return impl_->add(std::move(set));
}

NumberSet Numbers::both(NumberSet x, NumberSet y) {
    NumberRange set = impl_->sets[x];
    const NumberRange& other = impl_->sets[y];
    if (other.low) {
        set.raise_low(*other.low, other.open_low);
    }
    if (other.high) {
        set.lower_high(*other.high, other.open_high);
    }
    if (other.step) {
        set.step = set.step ? least_common_multiple(*set.step, *other.step) : *other.step;
    }
    for (const auto& skip : other.skips) {
        if (std::none_of(set.skips.begin(), set.skips.end(), [&](const Decimal& s) { return compare(s, skip) == 0; })) {
            set.skips.push_back(skip);
        }
    }
    std::sort(set.skips.begin(), set.skips.end(), [](const Decimal& a, const Decimal& b) { return compare(a, b) < 0; });
    if (set.low && set.high && compare(*set.low, *set.high) == 0 && !set.empty()) {
        set.step.reset();  // one number: how it came about no longer matters
        set.skips.clear();
        if (set.low->exponent >= 0) {
            set.step = Decimal{1, 0};
        }
    }
    return impl_->add(std::move(set));
}

std::vector<NumberSet> Numbers::negate(NumberSet number) {
    const NumberRange set = impl_->sets[number];
    std::vector<NumberSet> out;
    if (set.low) {
        NumberRange below;
        below.lower_high(*set.low, !set.open_low);
        out.push_back(impl_->add(std::move(below)));
    }
    if (set.high) {
        NumberRange above;
        above.raise_low(*set.high, !set.open_high);
        out.push_back(impl_->add(std::move(above)));
    }
    if (set.step) {
        NumberRange apart;
        apart.skips.push_back(*set.step);
        out.push_back(impl_->add(std::move(apart)));
    }
    for (const auto& skip : set.skips) {
        NumberRange on;
        on.step = skip;
        out.push_back(impl_->add(std::move(on)));
    }
    return out;
}

bool Numbers::empty(NumberSet set) { return impl_->sets[set].empty(); }

std::optional<std::vector<std::string>> Numbers::finite(NumberSet number, size_t limit) {
    const NumberRange& set = impl_->sets[number];
    std::vector<std::string> out;
    if (set.empty()) {
        return out;
    }
    if (!set.low || !set.high || (!set.step && compare(*set.low, *set.high) != 0)) {
        return std::nullopt;
    }
    NumberRange rest = set;
    while (const auto least = rest.least()) {
        out.push_back(least->key());
        if (out.size() > limit) {
            return std::nullopt;
        }
        rest.raise_low(*least, true);
    }
    return out;
}

bool Numbers::contains(NumberSet set, std::string_view text) { return impl_->sets[set].contains(Decimal::parse(text)); }

uint32_t Numbers::start(NumberSet set) { return impl_->state(set, {}); }

bool Numbers::complete(uint32_t state) { return impl_->states[state].complete; }

uint32_t Numbers::next(uint32_t state, uint8_t byte) {
    const uint64_t key = uint64_t{state} << 8 | byte;
    if (const auto known = impl_->moves.find(key); known != impl_->moves.end()) {
        return known->second;
    }
    const auto& at = impl_->states[state];
    const auto p = NumberPrefix::parse(at.text);
    const bool digit = byte >= '0' && byte <= '9';
    const char last = at.text.empty() ? 'x' : at.text.back();
    bool fits = false;
    if (digit) {
        fits = p.exponent || p.point || p.integer != "0";
    } else if (byte == '-') {
        fits = at.text.empty() || last == 'e' || last == 'E';
    } else if (byte == '+') {
        fits = last == 'e' || last == 'E';
    } else if (byte == '.') {
        fits = !p.integer.empty() && !p.point && !p.exponent;
    } else if (byte == 'e' || byte == 'E') {
        fits = !p.integer.empty() && (!p.point || !p.fraction.empty()) && !p.exponent;
    }
    const uint32_t to = fits ? impl_->state(at.set, at.text + static_cast<char>(byte)) : kDead;
    impl_->moves.emplace(key, to);
    return to;
}

}  // namespace gantry::grammar
