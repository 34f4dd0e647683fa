// SentencePiece's precompiled character map: a 32-bit little-endian size, a double array (darts-clone) of that many
// bytes, then the replacements, each ended by a zero byte. A leaf of the array holds an offset into them.

#include <cstring>
#include <optional>

#include "runtime/text/tokenizer/normalizer.hpp"

namespace gantry::text::tok {
namespace {

class Precompiled final : public Normalizer {
  public:
    Precompiled(std::vector<uint32_t> units, std::string replacements)
        : units_(std::move(units)), replacements_(std::move(replacements)) {}

    /// A short grapheme cluster is replaced as a whole by what its shortest known prefix maps to; otherwise character
    /// by character. (That is what the published implementation does, and models were trained on it.)
    void apply(NormalText& t) const override {
        std::string out;
        out.reserve(t.text.size());
        for (size_t pos = 0, length = 0; pos < t.text.size(); pos += length) {
            length = grapheme_length(t.text, pos);
            const std::string_view grapheme = std::string_view(t.text).substr(pos, length);
            if (length < kLongestWhole) {
                if (const auto replacement = find(grapheme)) {
                    out.append(*replacement);
                    continue;
                }
            }
            for (size_t i = 0, size = 0; i < length; i += size) {
                decode_utf8(grapheme, i, size);
                const std::string_view character = grapheme.substr(i, size);
                out.append(find(character).value_or(character));
            }
        }
        if (out.empty() && !t.text.empty()) t.at_start = false;
        t.text = std::move(out);
    }

  private:
    static constexpr size_t kLongestWhole = 6;

    static uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

    /// What the shortest prefix of `key` in the map stands for.
    std::optional<std::string_view> find(std::string_view key) const {
        uint32_t node = offset_of(units_[0]);
        for (const char c : key) {
            const auto byte = static_cast<uint8_t>(c);
            if (byte == 0) return std::nullopt;
            node ^= byte;
            if (node >= units_.size()) return std::nullopt;
            const uint32_t unit = units_[node];
            if ((unit & ((1u << 31) | 0xFF)) != byte) return std::nullopt;
            node ^= offset_of(unit);
            if (node >= units_.size()) return std::nullopt;
            if ((unit >> 8) & 1) {
                const size_t begin = units_[node] & 0x7FFFFFFFu;
                const bool inside = begin < replacements_.size() && (replacements_[begin] & 0xC0) != 0x80;
                if (!inside) return std::nullopt;
                return std::string_view(replacements_.c_str() + begin);
            }
        }
        return std::nullopt;
    }

    std::vector<uint32_t> units_;
    std::string replacements_;
};

}  // namespace

Result<NormalizerPtr> make_precompiled(std::string charsmap) {
    uint32_t size = 0;
    if (charsmap.size() < sizeof size) {
        return Error{Code::kDataLoss, "precompiled_charsmap is cut short"};
    }
    for (size_t i = 0; i < sizeof size; ++i) {
        size |= static_cast<uint32_t>(static_cast<uint8_t>(charsmap[i])) << (8 * i);
    }
    if (size < sizeof(uint32_t) || size % sizeof(uint32_t) != 0 || size > charsmap.size() - sizeof size) {
        return Error{Code::kDataLoss, "precompiled_charsmap says that its trie has " + std::to_string(size) +
                                          " bytes of " + std::to_string(charsmap.size() - sizeof size)};
    }
    std::vector<uint32_t> units(size / sizeof(uint32_t));
    for (size_t i = 0; i < units.size() * sizeof(uint32_t); ++i) {
        units[i / 4] |= static_cast<uint32_t>(static_cast<uint8_t>(charsmap[sizeof size + i])) << (8 * (i % 4));
    }
    std::string replacements = charsmap.substr(sizeof size + size);
    if (!is_valid_utf8(replacements)) {
        return Error{Code::kDataLoss, "precompiled_charsmap has replacements that are not UTF-8"};
    }
    return NormalizerPtr(std::make_unique<Precompiled>(std::move(units), std::move(replacements)));
}

}  // namespace gantry::text::tok
