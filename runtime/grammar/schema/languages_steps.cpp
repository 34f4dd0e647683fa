// Derivatives, and what follows from them: which languages are empty, where characters lead, which texts there are.

#include <algorithm>
#include <deque>
#include <utility>

#include "runtime/grammar/schema/languages.hpp"
#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

constexpr uint32_t kLastCharacter = 0x10FFFF;
constexpr uint32_t kSurrogates = 0xD800;
constexpr uint32_t kSurrogatesEnd = 0xE000;

void sort_unique(std::vector<uint32_t>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

Lang Languages::derive(Lang lang, uint32_t c) {
    if (lang == kNone || lang == kEmptyText) {
        return kNone;
    }
    if (lang == kAll) {
        return kAll;
    }
    const uint64_t key = uint64_t{lang} << 32 | c;
    if (const auto known = derived_.find(key); known != derived_.end()) {
        return known->second;
    }
    const Lang result = compute(lang, c);
    derived_.emplace(key, result);
    return result;
}

Lang Languages::compute(Lang lang, uint32_t c) {
    const Node node = nodes_[lang];  // a copy: the table grows below
    std::vector<Lang> parts;
    switch (node.kind) {
        case Kind::kNone:
        case Kind::kEmptyText:
            return kNone;
        case Kind::kChars:
            for (size_t i = 0; i < node.list.size(); i += 2) {
                if (c >= node.list[i] && c <= node.list[i + 1]) {
                    return kEmptyText;
                }
            }
            return kNone;
        case Kind::kCat: {
            const Lang head = cat(derive(node.a, c), node.b);
            return nodes_[node.a].nullable ? either({head, derive(node.b, c)}) : head;
        }
        case Kind::kEither:
        case Kind::kBoth:
            parts.reserve(node.list.size());
            for (const Lang part : node.list) {
                parts.push_back(derive(part, c));
            }
            return node.kind == Kind::kEither ? either(std::move(parts)) : both(std::move(parts));
        case Kind::kNot:
            return negate(derive(node.a, c));
        case Kind::kRepeat: {
            const uint32_t max = node.max == kUnbounded ? kUnbounded : node.max - 1;
            return cat(derive(node.a, c), repeat(node.a, node.min > 0 ? node.min - 1 : 0, max));
        }
        case Kind::kWords: {
            std::vector<std::u32string> rest;
            for (const auto& text : word_list(lang)) {
                if (!text.empty() && text[0] == c) {
                    rest.push_back(text.substr(1));
                }
            }
            return words(std::move(rest));
        }
        case Kind::kBeforeEnd:
            return before_end(derive(node.a, c));
    }
    return kNone;
}

/// Characters at which the derivative may change.
const std::vector<uint32_t>& Languages::borders(Lang lang) {
    if (const auto known = borders_.find(lang); known != borders_.end()) {
        return known->second;
    }
    const Node node = nodes_[lang];
    std::vector<uint32_t> out;
    const auto add = [&](Lang part) {
        const auto& more = borders(part);
        out.insert(out.end(), more.begin(), more.end());
    };
    switch (node.kind) {
        case Kind::kNone:
        case Kind::kEmptyText:
            break;
        case Kind::kChars:
            for (size_t i = 0; i < node.list.size(); i += 2) {
                out.push_back(node.list[i]);
                out.push_back(node.list[i + 1] + 1);
            }
            break;
        case Kind::kCat:
            add(node.a);
            if (nodes_[node.a].nullable) {
                add(node.b);
            }
            break;
        case Kind::kEither:
        case Kind::kBoth:
            for (const Lang part : node.list) {
                add(part);
            }
            break;
        case Kind::kNot:
        case Kind::kRepeat:
        case Kind::kBeforeEnd:
            add(node.a);
            break;
        case Kind::kWords:
            for (size_t i = 0; i < node.list.size(); i += node.list[i] + 1) {
                if (node.list[i] > 0) {
                    out.push_back(node.list[i + 1]);
                    out.push_back(node.list[i + 1] + 1);
                }
            }
            break;
    }
    sort_unique(out);
    return borders_.emplace(lang, std::move(out)).first->second;
}

std::vector<Languages::Step> Languages::raw_steps(Lang lang) {
    std::vector<uint32_t> starts = borders(lang);
    for (const uint32_t fixed : {0U, kSurrogates, kSurrogatesEnd}) {
        starts.push_back(fixed);
    }
    sort_unique(starts);
    std::vector<Step> out;
    for (size_t i = 0; i < starts.size() && starts[i] <= kLastCharacter; ++i) {
        const uint32_t low = starts[i];
        const uint32_t high = i + 1 < starts.size() ? std::min(starts[i + 1] - 1, kLastCharacter) : kLastCharacter;
        if (low >= kSurrogates && high < kSurrogatesEnd) {
            continue;
        }
        const Lang to = derive(lang, low);
        if (to == kNone) {
            continue;
        }
        if (!out.empty() && out.back().to == to && out.back().high + 1 == low) {
            out.back().high = high;
        } else {
            out.push_back({low, high, to});
        }
    }
    return out;
}

bool Languages::alive(Lang lang) {
    if (lang == kNone) {
        return false;
    }
    if (nodes_[lang].nullable || nodes_[lang].kind == Kind::kWords) {
        return true;
    }
    if (const auto known = alive_.find(lang); known != alive_.end()) {
        return known->second;
    }
    std::unordered_map<Lang, Lang> parent{{lang, lang}};
    std::deque<Lang> todo{lang};
    while (!todo.empty()) {
        const Lang at = todo.front();
        todo.pop_front();
        for (const auto& step : raw_steps(at)) {
            const auto known = alive_.find(step.to);
            if (nodes_[step.to].nullable || (known != alive_.end() && known->second)) {
                for (Lang back = at;; back = parent[back]) {
                    alive_[back] = true;
                    if (back == lang) {
                        return true;
                    }
                }
            }
            if (known == alive_.end() && parent.emplace(step.to, at).second) {
                todo.push_back(step.to);
            }
        }
        if (parent.size() > max_states_) {
            throw SchemaError("its patterns and lengths together are too large to be checked");
        }
    }
    for (const auto& [dead, unused] : parent) {
        alive_[dead] = false;
    }
    return false;
}

const std::vector<Languages::Step>& Languages::steps(Lang lang) {
    if (const auto known = steps_.find(lang); known != steps_.end()) {
        return known->second;
    }
    auto all = raw_steps(lang);
    std::erase_if(all, [this](const Step& step) { return !alive(step.to); });
    return steps_.emplace(lang, std::move(all)).first->second;
}

Lang Languages::step(Lang lang, uint32_t c) {
    const auto& all = steps(lang);
    const auto at = std::partition_point(all.begin(), all.end(), [c](const Step& s) { return s.high < c; });
    return at != all.end() && at->low <= c ? at->to : kNone;
}

bool Languages::contains(Lang lang, std::u32string_view text) {
    for (const char32_t c : text) {
        lang = derive(lang, c);
    }
    return nodes_[lang].nullable;
}

bool Languages::enumerate(Lang lang, size_t limit, std::u32string& text, std::vector<std::u32string>& out,
                          std::vector<Lang>& path) {
    if (std::find(path.begin(), path.end(), lang) != path.end()) {
        return false;  // a loop among living states: infinitely many
    }
    if (nodes_[lang].nullable) {
        out.push_back(text);
    }
    if (out.size() > limit || path.size() > 4096) {
        return false;
    }
    path.push_back(lang);
    const std::vector<Step> all = steps(lang);
    for (const auto& step : all) {
        if (step.high - step.low >= limit) {
            return false;
        }
        for (uint32_t c = step.low; c <= step.high; ++c) {
            text.push_back(c);
            const bool fine = enumerate(step.to, limit, text, out, path);
            text.pop_back();
            if (!fine) {
                return false;
            }
        }
    }
    path.pop_back();
    return true;
}

std::optional<std::vector<std::u32string>> Languages::finite(Lang lang, size_t limit) {
    std::vector<std::u32string> out;
    if (!alive(lang)) {
        return out;
    }
    std::u32string text;
    std::vector<Lang> path;
    if (!enumerate(lang, limit, text, out, path)) {
        return std::nullopt;
    }
    return out;
}

}  // namespace gantry::grammar
