#include "runtime/grammar/schema/languages.hpp"

#include <algorithm>
#include <utility>

#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

constexpr uint32_t kLastCharacter = 0x10FFFF;

void sort_unique(std::vector<uint32_t>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

size_t Languages::KeyHash::operator()(const Key& key) const {
    uint64_t h = key.head * 0x9E3779B97F4A7C15ULL ^ key.tail;
    for (const uint32_t v : key.list) {
        h = (h ^ v) * 0x9E3779B97F4A7C15ULL;
        h ^= h >> 29;
    }
    return h;
}

Languages::Languages(size_t max_states) : max_states_(max_states) {
    Node none;
    intern(none);
    Node empty;
    empty.kind = Kind::kEmptyText;
    empty.nullable = true;
    intern(empty);
    Node all;
    all.kind = Kind::kNot;
    all.a = kNone;
    all.nullable = true;
    intern(all);
    chars({{0, kLastCharacter}});
}

Lang Languages::intern(Node node) {
    Key key{uint64_t{static_cast<uint8_t>(node.kind)} << 32 | node.a,
            (uint64_t{node.b} << 32 | node.min) ^ uint64_t{node.max} * 0x100000001B3ULL, node.list};
    const auto [at, fresh] = index_.emplace(std::move(key), static_cast<Lang>(nodes_.size()));
    if (fresh) {
        if (nodes_.size() > 8 * max_states_) {
            throw SchemaError("the patterns and lengths of its texts together are too large");
        }
        nodes_.push_back(std::move(node));
    }
    return at->second;
}

Lang Languages::chars(std::vector<CharRange> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const CharRange& x, const CharRange& y) { return x.low < y.low; });
    Node node;
    node.kind = Kind::kChars;
    for (const auto& r : ranges) {
        if (r.low > r.high) {
            continue;
        }
        if (!node.list.empty() && r.low <= node.list.back() + 1) {
            node.list.back() = std::max(node.list.back(), r.high);
        } else {
            node.list.push_back(r.low);
            node.list.push_back(r.high);
        }
    }
    return node.list.empty() ? kNone : intern(std::move(node));
}

Lang Languages::cat(Lang first, Lang second) {
    if (first == kNone || second == kNone) {
        return kNone;
    }
    if (first == kEmptyText || (first == kAll && second == kAll)) {
        return second;
    }
    if (second == kEmptyText) {
        return first;
    }
    if (nodes_[first].kind == Kind::kCat) {  // to the right, so that equal texts are equal terms
        const Lang head = nodes_[first].a, middle = nodes_[first].b;
        return cat(head, cat(middle, second));
    }
    Node node;
    node.kind = Kind::kCat;
    node.a = first;
    node.b = second;
    node.nullable = nodes_[first].nullable && nodes_[second].nullable;
    return intern(std::move(node));
}

Lang Languages::either(std::vector<Lang> parts) {
    std::vector<uint32_t> flat;
    std::vector<std::u32string> texts;
    size_t word_sets = 0;
    for (const Lang part : parts) {
        const Node& node = nodes_[part];
        if (part == kAll) {
            return kAll;
        }
        if (node.kind == Kind::kEither) {
            flat.insert(flat.end(), node.list.begin(), node.list.end());
        } else if (part != kNone) {
            flat.push_back(part);
        }
    }
    std::vector<uint32_t> list;
    for (const Lang part : flat) {
        if (nodes_[part].kind == Kind::kWords) {
            const auto more = word_list(part);
            texts.insert(texts.end(), more.begin(), more.end());
            ++word_sets;
        } else {
            list.push_back(part);
        }
    }
    if (word_sets > 0) {
        list.push_back(words(std::move(texts)));
    }
    sort_unique(list);
    if (list.empty()) {
        return kNone;
    }
    if (list.size() == 1) {
        return list[0];
    }
    Node node;
    node.kind = Kind::kEither;
    node.nullable = std::any_of(list.begin(), list.end(), [this](Lang p) { return nodes_[p].nullable; });
    node.list = std::move(list);
    return intern(std::move(node));
}

Lang Languages::both(std::vector<Lang> parts) {
    std::vector<uint32_t> list;
    for (const Lang part : parts) {
        const Node& node = nodes_[part];
        if (node.kind == Kind::kBoth) {
            list.insert(list.end(), node.list.begin(), node.list.end());
        } else if (part != kAll) {
            list.push_back(part);
        }
    }
    sort_unique(list);
    uint32_t min = 0, max = kUnbounded;
    bool length = false;
    Lang finite_part = kNone;
    std::vector<uint32_t> rest;
    for (const Lang part : list) {
        const Node& node = nodes_[part];
        if (part == kNone || (node.kind == Kind::kNot && std::binary_search(list.begin(), list.end(), node.a))) {
            return kNone;
        }
        if (node.kind == Kind::kRepeat && node.a == kAnyChar) {  // lengths become one
            min = std::max(min, node.min);
            max = std::min(max, node.max);
            length = true;
        } else if (finite_part == kNone && (node.kind == Kind::kWords || part == kEmptyText)) {
            finite_part = part;
        } else {
            rest.push_back(part);
        }
    }
    if (length) {
        rest.push_back(repeat(kAnyChar, min, max));
    }
    if (finite_part != kNone) {  // stays finite, so that equal sets are equal terms
        std::vector<std::u32string> kept;
        for (auto& text : word_list(finite_part)) {
            if (std::all_of(rest.begin(), rest.end(), [&](Lang p) { return contains(p, text); })) {
                kept.push_back(std::move(text));
            }
        }
        return words(std::move(kept));
    }
    std::erase(rest, kAll);
    sort_unique(rest);
    if (rest.empty()) {
        return kAll;
    }
    if (rest.front() == kNone || rest.size() == 1) {
        return rest.front();
    }
    Node node;
    node.kind = Kind::kBoth;
    node.nullable = std::all_of(rest.begin(), rest.end(), [this](Lang p) { return nodes_[p].nullable; });
    node.list = std::move(rest);
    return intern(std::move(node));
}

Lang Languages::negate(Lang part) {
    if (nodes_[part].kind == Kind::kNot) {
        return nodes_[part].a;
    }
    Node node;
    node.kind = Kind::kNot;
    node.a = part;
    node.nullable = !nodes_[part].nullable;
    return intern(std::move(node));
}

Lang Languages::repeat(Lang part, uint32_t min, uint32_t max) {
    if (min > max) {
        return kNone;
    }
    if (part == kNone) {
        return min == 0 ? kEmptyText : kNone;
    }
    if (max == 0 || part == kEmptyText) {
        return kEmptyText;
    }
    if (min == 1 && max == 1) {
        return part;
    }
    if (min == 0 && max == kUnbounded && (part == kAnyChar || part == kAll)) {
        return kAll;
    }
    Node node;
    node.kind = Kind::kRepeat;
    node.a = part;
    node.min = nodes_[part].nullable ? 0 : min;
    node.max = max;
    node.nullable = node.min == 0;
    return intern(std::move(node));
}

Lang Languages::words(std::vector<std::u32string> texts) {
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    if (texts.empty()) {
        return kNone;
    }
    if (texts.size() == 1 && texts[0].empty()) {
        return kEmptyText;
    }
    Node node;
    node.kind = Kind::kWords;
    node.nullable = texts.front().empty();
    for (const auto& text : texts) {
        node.list.push_back(static_cast<uint32_t>(text.size()));
        node.list.insert(node.list.end(), text.begin(), text.end());
    }
    return intern(std::move(node));
}

Lang Languages::before_end(Lang part) {
    if (part == kNone || part == kAll) {
        return part;
    }
    Node node;
    node.kind = Kind::kBeforeEnd;
    node.a = part;
    node.nullable = nodes_[derive(part, kTextEnd)].nullable;
    return intern(std::move(node));
}

std::vector<std::u32string> Languages::word_list(Lang lang) const {
    std::vector<std::u32string> out;
    const auto& list = nodes_[lang].list;
    if (lang == kEmptyText) {
        out.emplace_back();
    }
    for (size_t i = 0; i < list.size(); i += list[i] + 1) {
        out.emplace_back(list.begin() + static_cast<ptrdiff_t>(i) + 1,
                         list.begin() + static_cast<ptrdiff_t>(i) + 1 + list[i]);
    }
    return out;
}

}  // namespace gantry::grammar
