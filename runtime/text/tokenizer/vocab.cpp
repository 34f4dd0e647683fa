#include "runtime/text/tokenizer/vocab.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace gantry::text::tok {
namespace {

constexpr size_t kFewestSlots = 64;

}  // namespace

std::string_view Vocab::text(const Entry& entry) const {
    return std::string_view(arena_).substr(entry.begin, entry.length);
}

/// The slot that holds `token`, or the empty one where it would go.
size_t Vocab::slot_of(std::string_view token) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = std::hash<std::string_view>{}(token)&mask;
    while (slots_[slot] != 0 && text(entries_[slots_[slot] - 1]) != token) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

void Vocab::grow(size_t capacity) {
    slots_.assign(std::bit_ceil(std::max(capacity, kFewestSlots)), 0);
    for (size_t i = 0; i < entries_.size(); ++i) {
        slots_[slot_of(text(entries_[i]))] = static_cast<uint32_t>(i + 1);
    }
}

void Vocab::reserve(size_t tokens, size_t bytes) {
    arena_.reserve(bytes);
    entries_.reserve(tokens);
    by_id_.reserve(tokens);
    grow(tokens + tokens / 3);
}

void Vocab::add(std::string_view token, int32_t id) {
    if ((entries_.size() + 1) * 4 > slots_.size() * 3) {
        grow(std::max(slots_.size() * 2, kFewestSlots));
    }
    const size_t slot = slot_of(token);
    uint32_t entry = slots_[slot];
    if (entry == 0) {
        entries_.push_back({arena_.size(), static_cast<uint32_t>(token.size()), id});
        arena_.append(token);
        entry = static_cast<uint32_t>(entries_.size());
        slots_[slot] = entry;
        longest_ = std::max(longest_, token.size());
    } else {
        entries_[entry - 1].id = id;
    }
    const auto index = static_cast<size_t>(id);
    if (index >= by_id_.size()) {
        by_id_.resize(index + 1, 0);
    }
    by_id_[index] = entry;
}

std::optional<int32_t> Vocab::find(std::string_view token) const {
    if (slots_.empty()) {
        return std::nullopt;
    }
    const uint32_t entry = slots_[slot_of(token)];
    return entry == 0 ? std::nullopt : std::optional(entries_[entry - 1].id);
}

bool Vocab::has_id(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < by_id_.size() && by_id_[static_cast<size_t>(id)] != 0;
}

std::string_view Vocab::token(int32_t id) const {
    return has_id(id) ? text(entries_[by_id_[static_cast<size_t>(id)] - 1]) : std::string_view();
}

}  // namespace gantry::text::tok
