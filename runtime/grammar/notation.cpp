#include "runtime/grammar/notation.hpp"

#include <spdlog/fmt/fmt.h>

#include "runtime/grammar/codepoints.hpp"

namespace gantry::grammar {

RuleId NotationReader::rule_of(const std::string& name, size_t use) {
    constexpr size_t kMaxRules = 2000;
    const auto [it, added] = known_.try_emplace(name, 0);
    if (added) {
        it->second = rules_.add_rule(name);
        undefined_.emplace(name, use);
        if (known_.size() > kMaxRules) {
            in_.fail(fmt::format("at most {} rules are possible", kMaxRules));
        }
    }
    return it->second;
}

std::optional<RuleId> NotationReader::new_rule(const std::string& name, size_t place) {
    const RuleId rule = rule_of(name, place);
    if (undefined_.erase(name) == 0) {
        in_.fail_at(place, fmt::format("'{}' is defined twice", name));
        return std::nullopt;
    }
    return rule;
}

std::optional<RuleId> NotationReader::known_rule(const std::string& name) const {
    const auto found = known_.find(name);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
}

void NotationReader::check_definitions() {
    for (const auto& [name, use] : undefined_) {
        in_.fail_at(use, fmt::format("'{}' is used, but not defined", name));
    }
}

std::string NotationReader::quoted() {
    const size_t begin = in_.position();
    const char quote = in_.peek();
    in_.skip();
    std::string out;
    while (in_.peek() != quote) {
        if (!in_.more() || in_.peek() == '\n') {
            in_.fail_at(begin, "this text is never closed");
            return {};
        }
        append_utf8(in_.take("\\") ? in_.take_escape() : in_.take_char(), out);
    }
    in_.skip();
    return in_.failed() ? std::string() : out;
}

std::optional<NotationReader::Counts> NotationReader::take_repeat_sign() {
    if (in_.take("*")) {
        return Counts{};
    }
    if (in_.take("+")) {
        return Counts{1, kUnbounded};
    }
    if (in_.take("?")) {
        return Counts{0, 1};
    }
    return std::nullopt;
}

}  // namespace gantry::grammar
