#pragma once

/// Tokens and their ids, packed: one character arena, one index, no string objects. Loading and lookup are linear and
/// constant; 150 000 tokens take about 5 MB.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::text::tok {

/// An id past this is taken for damage: the index by id would not fit in memory otherwise.
inline constexpr int64_t kMaxTokenId = (1 << 24) - 1;

class Vocab {
  public:
    /// Makes room for so many tokens.
    void reserve(size_t tokens, size_t bytes);
    /// Adds a token; a token that is there already gets the new id. 0 <= id <= kMaxTokenId.
    void add(std::string_view token, int32_t id);

    std::optional<int32_t> find(std::string_view token) const;
    bool has_id(int32_t id) const;
    /// Empty for an unknown id. Valid until the next add().
    std::string_view token(int32_t id) const;

    size_t size() const { return entries_.size(); }    ///< distinct tokens
    size_t id_limit() const { return by_id_.size(); }  ///< highest id + 1
    size_t longest_token() const { return longest_; }  ///< bytes

  private:
    struct Entry {
        uint64_t begin;
        uint32_t length;
        int32_t id;
    };
    size_t slot_of(std::string_view token) const;
    void grow(size_t capacity);
    std::string_view text(const Entry& entry) const;

    std::string arena_;
    std::vector<Entry> entries_;
    std::vector<uint32_t> slots_;  ///< entry index + 1, or 0
    std::vector<uint32_t> by_id_;  ///< entry index + 1, or 0
    size_t longest_ = 0;
};

}  // namespace gantry::text::tok
