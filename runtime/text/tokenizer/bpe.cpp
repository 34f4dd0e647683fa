// Byte pair encoding. A piece becomes one symbol a character; then the adjacent pair with the best rank (the leftmost
// of equals) is merged until no pair is in the merge table. Short pieces scan for the best pair, long ones (texts that
// no pre-tokenizer cuts) keep a heap over a linked list: n log n.

#include <algorithm>
#include <array>
#include <limits>
#include <queue>

#include "runtime/text/tokenizer/model.hpp"
#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {
namespace {

constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();
constexpr size_t kShort = 48;

/// Pairs of ids to merges: open addressing, 16 bytes a slot.
class MergeTable {
  public:
    struct Slot {
        uint64_t key = kEmpty;
        uint32_t rank = kNoRank;
        int32_t result = 0;
    };

    explicit MergeTable(const std::vector<Merge>& merges) : slots_(merges.size() + merges.size() / 2 + 16) {
        for (const Merge& m : merges) {
            Slot& slot = slots_[index_of(key_of(m.left, m.right))];
            slot = {key_of(m.left, m.right), m.rank, m.result};
        }
    }

    /// A slot with rank kNoRank where the pair does not merge.
    const Slot& find(int32_t left, int32_t right) const { return slots_[index_of(key_of(left, right))]; }

  private:
    static constexpr uint64_t kEmpty = ~uint64_t{0};  // ids are not negative

    static uint64_t key_of(int32_t left, int32_t right) {
        return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
    }

    size_t index_of(uint64_t key) const {
        uint64_t h = key * 0x9E3779B97F4A7C15u;
        h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
        auto index = static_cast<size_t>(((h >> 32) * slots_.size()) >> 32);
        while (slots_[index].key != kEmpty && slots_[index].key != key) {
            index = index + 1 == slots_.size() ? 0 : index + 1;
        }
        return index;
    }

    std::vector<Slot> slots_;
};

class Bpe final : public Model {
  public:
    Bpe(Vocab vocab, const std::vector<Merge>& merges, BpeOptions options)
        : vocab_(std::move(vocab)), merges_(merges), options_(std::move(options)) {
        for (size_t c = 0; c < kDirect; ++c) {
            std::string text;
            append_utf8(text, static_cast<char32_t>(c));
            direct_[c] = vocab_.find(text).value_or(-1);
        }
        for (size_t b = 0; b < bytes_.size(); ++b) {
            bytes_[b] = vocab_.find(byte_token(static_cast<uint8_t>(b))).value_or(-1);
        }
        plain_ = options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
    }

    const Vocab& vocab() const override { return vocab_; }

    void tokenize(std::string_view piece, std::vector<int32_t>& ids) const override {
        if (options_.ignore_merges) {
            if (const auto id = vocab_.find(piece)) {
                ids.push_back(*id);
                return;
            }
        }
        const size_t first = ids.size();
        append_symbols(piece, ids);
        const size_t count = ids.size() - first;
        if (count > kShort) {
            merge_long(ids, first);
        } else if (count > 1) {
            ids.resize(first + merge_short(ids.data() + first, count));
        }
    }

  private:
    static constexpr size_t kDirect =
        0x180;  ///< characters looked up by number: ASCII, Latin-1 and GPT-2's byte characters

    /// The character at [pos, pos + size) with the prefix and suffix that its place asks for.
    std::optional<int32_t> symbol(std::string_view piece, size_t pos, size_t size, char32_t c) const {
        if (plain_) {
            if (c < kDirect) return direct_[c] < 0 ? std::nullopt : std::optional(direct_[c]);
            return vocab_.find(piece.substr(pos, size));
        }
        return vocab_.find(decorated(piece, pos, size));
    }

    std::string decorated(std::string_view piece, size_t pos, size_t size) const {
        std::string text = pos == 0 ? std::string() : options_.continuing_subword_prefix;
        text.append(piece.substr(pos, size));
        if (pos + size == piece.size()) text.append(options_.end_of_word_suffix);
        return text;
    }

    void append_symbols(std::string_view piece, std::vector<int32_t>& ids) const {
        bool unknown_waits = false;  // an unknown token is due, but may still be fused with the next
        const auto flush = [&] {
            if (unknown_waits) ids.push_back(*options_.unknown);
            unknown_waits = false;
        };
        for (size_t pos = 0, size = 0; pos < piece.size(); pos += size) {
            const char32_t c = decode_utf8(piece, pos, size);
            if (const auto id = symbol(piece, pos, size, c)) {
                flush();
                ids.push_back(*id);
            } else if (options_.byte_fallback &&
                       append_bytes(plain_ ? std::string(piece.substr(pos, size)) : decorated(piece, pos, size), ids)) {
                continue;  // bytes do not end a run of unknown characters
            } else if (options_.unknown) {
                if (!options_.fuse_unknown) flush();
                unknown_waits = true;
            }
        }
        flush();
    }

    /// False, and nothing appended, where a byte has no token.
    bool append_bytes(std::string_view text, std::vector<int32_t>& ids) const {
        const auto known = [this](char b) { return bytes_[static_cast<uint8_t>(b)] >= 0; };
        if (!std::ranges::all_of(text, known)) return false;
        for (const char b : text) ids.push_back(bytes_[static_cast<uint8_t>(b)]);
        return true;
    }

    /// Merges in place; gives the new count.
    size_t merge_short(int32_t* ids, size_t count) const {
        std::array<uint32_t, kShort> ranks;
        const auto rank_at = [&](size_t i) { return merges_.find(ids[i], ids[i + 1]).rank; };
        for (size_t i = 0; i + 1 < count; ++i) ranks[i] = rank_at(i);
        while (count > 1) {
            const auto end = ranks.begin() + static_cast<std::ptrdiff_t>(count - 1);
            const auto best = std::min_element(ranks.begin(), end);
            if (*best == kNoRank) break;
            const auto at = static_cast<size_t>(best - ranks.begin());
            ids[at] = merges_.find(ids[at], ids[at + 1]).result;
            std::copy(ids + at + 2, ids + count, ids + at + 1);
            std::copy(best + 1, end, best);
            --count;
            if (at > 0) ranks[at - 1] = rank_at(at - 1);
            if (at + 1 < count) ranks[at] = rank_at(at);
        }
        return count;
    }

    void merge_long(std::vector<int32_t>& ids, size_t first) const {
        struct Link {
            size_t previous, next;
        };
        struct Candidate {
            uint32_t rank;
            int32_t result;
            size_t pos;
            bool operator<(const Candidate& other) const {  // the heap's top is the greatest
                return rank != other.rank ? rank > other.rank : pos > other.pos;
            }
        };
        const size_t count = ids.size() - first;
        int32_t* const symbols = ids.data() + first;
        std::vector<Link> links(count);
        for (size_t i = 0; i < count; ++i)
            links[i] = {i - 1, i + 1};  // count is "none" to the right, SIZE_MAX to the left
        std::vector<Candidate> start;
        const auto candidate = [&](size_t left, size_t right) -> Candidate {
            const auto& merge = merges_.find(symbols[left], symbols[right]);
            return {merge.rank, merge.result, left};
        };
        for (size_t i = 0; i + 1 < count; ++i) {
            if (const Candidate c = candidate(i, i + 1); c.rank != kNoRank) start.push_back(c);
        }
        std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(start));
        const auto consider = [&](size_t left, size_t right) {
            if (const Candidate c = candidate(left, right); c.rank != kNoRank) queue.push(c);
        };
        while (!queue.empty()) {
            const Candidate top = queue.top();
            queue.pop();
            const size_t right = symbols[top.pos] < 0 ? count : links[top.pos].next;
            if (right >= count) continue;
            const auto& merge = merges_.find(symbols[top.pos], symbols[right]);
            if (merge.rank == kNoRank || merge.result != top.result) continue;  // the pair has changed since
            symbols[top.pos] = top.result;
            symbols[right] = -1;
            links[top.pos].next = links[right].next;
            if (links[right].next < count) links[links[right].next].previous = top.pos;
            if (links[top.pos].previous < count) consider(links[top.pos].previous, top.pos);
            if (links[top.pos].next < count) consider(top.pos, links[top.pos].next);
        }
        ids.erase(std::remove(ids.begin() + static_cast<std::ptrdiff_t>(first), ids.end(), -1), ids.end());
    }

    Vocab vocab_;
    MergeTable merges_;
    BpeOptions options_;
    std::array<int32_t, kDirect> direct_{};
    std::array<int32_t, 256> bytes_{};
    bool plain_ = true;
};

}  // namespace

ModelPtr make_bpe(Vocab vocab, const std::vector<Merge>& merges, BpeOptions options) {
    return std::make_unique<Bpe>(std::move(vocab), merges, std::move(options));
}

std::string byte_token(uint8_t byte) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

std::optional<uint8_t> byte_of_token(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
    unsigned value = 0;
    for (const char c : token.substr(3, 2)) {
        const bool digit = c >= '0' && c <= '9';
        const bool upper = c >= 'A' && c <= 'F';
        const bool lower = c >= 'a' && c <= 'f';
        if (!digit && !upper && !lower) return std::nullopt;
        value = value * 16 + static_cast<unsigned>(digit ? c - '0' : upper ? c - 'A' + 10 : c - 'a' + 10);
    }
    return static_cast<uint8_t>(value);
}

}  // namespace gantry::text::tok
