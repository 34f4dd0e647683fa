// WordPiece (longest match first) and WordLevel (whole words).

#include <algorithm>

#include "runtime/text/tokenizer/model.hpp"
#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {
namespace {

class WordPiece final : public Model {
  public:
    WordPiece(Vocab vocab, WordPieceOptions options) : vocab_(std::move(vocab)), options_(std::move(options)) {}

    const Vocab& vocab() const override { return vocab_; }

    void tokenize(std::string_view piece, std::vector<int32_t>& ids) const override {
        const auto characters = std::ranges::count_if(piece, [](char c) { return (c & 0xC0) != 0x80; });
        const size_t first = ids.size();
        bool whole = static_cast<size_t>(characters) <= options_.max_characters;
        std::string candidate;
        for (size_t begin = 0; whole && begin < piece.size();) {
            size_t end = std::min(piece.size(), begin + vocab_.longest_token());
            while (end < piece.size() && (piece[end] & 0xC0) == 0x80) --end;  // back to where a character begins
            std::optional<int32_t> id;
            while (end > begin) {
                candidate.assign(begin > 0 ? options_.prefix : std::string()).append(piece.substr(begin, end - begin));
                id = vocab_.find(candidate);
                if (id) break;
                do {
                    --end;
                } while ((piece[end] & 0xC0) == 0x80);
            }
            whole = id.has_value();
            if (id) ids.push_back(*id);
            begin = end;
        }
        if (!whole) {
            ids.resize(first);
            if (options_.unknown) ids.push_back(*options_.unknown);
        }
    }

  private:
    Vocab vocab_;
    WordPieceOptions options_;
};

class WordLevel final : public Model {
  public:
    WordLevel(Vocab vocab, std::optional<int32_t> unknown) : vocab_(std::move(vocab)), unknown_(unknown) {}

    const Vocab& vocab() const override { return vocab_; }

    void tokenize(std::string_view piece, std::vector<int32_t>& ids) const override {
        const auto id = vocab_.find(piece);
        if (id || unknown_) ids.push_back(id ? *id : *unknown_);
    }

  private:
    Vocab vocab_;
    std::optional<int32_t> unknown_;
};

}  // namespace

ModelPtr make_word_piece(Vocab vocab, WordPieceOptions options) {
    return std::make_unique<WordPiece>(std::move(vocab), std::move(options));
}

ModelPtr make_word_level(Vocab vocab, std::optional<int32_t> unknown) {
    return std::make_unique<WordLevel>(std::move(vocab), unknown);
}

}  // namespace gantry::text::tok
