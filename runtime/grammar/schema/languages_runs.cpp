// How far a language lets any text go on: what maxLength and free strings have in common.

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "runtime/grammar/schema/languages.hpp"

namespace gantry::grammar {
namespace {

/// Plain characters: what stands for itself in a JSON string and is not a surrogate.
constexpr std::array<CharRange, 4> kPlain{{{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0xD7FF}, {0xE000, 0x10FFFF}}};
/// Languages looked at for one answer, where they branch.
constexpr size_t kMaxLooked = 512;

}  // namespace

Languages::Plain Languages::plain_steps(Lang lang, std::vector<Lang>& to) {
    const std::vector<Step>& all = steps(lang);
    bool some = false;
    bool every = true;
    for (const auto& [low, high] : kPlain) {
        uint32_t missing = low;  // the first character that no step has had
        for (const Step& step : all) {
            if (step.high < low || step.low > high) {
                continue;
            }
            some = true;
            to.push_back(step.to);
            every = every && step.low <= missing;
            missing = step.high + 1;
        }
        every = every && missing > high;
    }
    return every ? Plain::kAll : some ? Plain::kSome : Plain::kNone;
}

/// Breadth first: the shortest text behind which some character has no way. Where there is one language for each
/// length, as with maxLength alone, that text's length is exact if nothing at all follows it.
Automaton::PlainRun Languages::plain_run(Lang lang, size_t limit) {
    if (const auto known = plain_runs_.find(lang); known != plain_runs_.end()) {
        return known->second;
    }
    Automaton::PlainRun run{0, true};
    std::vector<std::pair<Lang, size_t>> chain;  // languages and their lengths, while there is one for each
    std::vector<Lang> level{lang};
    std::vector<Lang> seen{lang};  // sorted
    bool ended = false;
    while (!ended && run.characters < limit && seen.size() < kMaxLooked) {
        run.exact = run.exact && level.size() == 1;
        if (run.exact) {
            if (const auto known = plain_runs_.find(level[0]); known != plain_runs_.end()) {
                run = {run.characters + known->second.characters, known->second.exact};
                break;
            }
            chain.emplace_back(level[0], run.characters);
            if (const auto leap = leaps_.find(level[0]); leap != leaps_.end()) {
                run.characters += leap->second.second;
                level = {leap->second.first};
                continue;
            }
        }
        std::vector<Lang> next;
        Plain plain = Plain::kAll;
        for (const Lang at : level) {
            const Plain here = plain_steps(at, next);
            plain = here == Plain::kAll ? plain : run.exact ? here : Plain::kSome;
        }
        if (plain != Plain::kAll) {
            run.exact = run.exact && plain == Plain::kNone;
            ended = true;
            continue;
        }
        ++run.characters;
        std::ranges::sort(next);
        next.erase(std::unique(next.begin(), next.end()), next.end());
        level.clear();
        std::ranges::set_difference(next, seen, std::back_inserter(level));
        seen.insert(seen.end(), level.begin(), level.end());
        std::ranges::sort(seen);
        if (level.empty()) {
            run = {limit, false};  // it goes on for ever
        }
        run.exact = run.exact && level.size() == next.size();
    }
    run.exact = run.exact && run.characters < limit && seen.size() < kMaxLooked;
    run.characters = std::min(run.characters, limit);
    plain_runs_.emplace(lang, run);
    for (const auto& [at, length] : chain) {
        if (run.exact) {
            plain_runs_.emplace(at, Automaton::PlainRun{run.characters - length, true});
        } else if (length < chain.back().second) {
            leaps_.emplace(at, std::pair(chain.back().first, chain.back().second - length));
        }
    }
    return run;
}

}  // namespace gantry::grammar
