// Unigram language model: the segmentation whose scores (log probabilities) have the greatest sum, found by Viterbi
// over the byte positions. A character that no token covers alone may be unknown, at a penalty.

#include <algorithm>
#include <limits>

#include "runtime/text/tokenizer/model.hpp"
#include "runtime/text/tokenizer/trie.hpp"
#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {
namespace {

constexpr double kUnknownPenalty = 10.0;

class Unigram final : public Model {
  public:
    Unigram(Vocab vocab, std::vector<double> scores, std::optional<int32_t> unknown, bool byte_fallback)
        : vocab_(std::move(vocab)), scores_(std::move(scores)), unknown_(unknown), byte_fallback_(byte_fallback) {
        std::vector<std::pair<std::string_view, int32_t>> keys;
        keys.reserve(vocab_.size());
        double lowest = std::numeric_limits<double>::infinity();
        scores_.resize(vocab_.id_limit());
        for (size_t i = 0; i < vocab_.id_limit(); ++i) {
            const auto id = static_cast<int32_t>(i);
            if (!vocab_.has_id(id)) continue;
            keys.emplace_back(vocab_.token(id), vocab_.find(vocab_.token(id)).value_or(id));
            lowest = std::min(lowest, scores_[i]);
        }
        trie_ = Trie(std::move(keys));
        unknown_score_ = lowest - kUnknownPenalty;
    }

    const Vocab& vocab() const override { return vocab_; }

    void tokenize(std::string_view piece, std::vector<int32_t>& ids) const override {
        const std::vector<Node> best = search(piece);
        const size_t first = ids.size();
        // Backwards along the best path; a run of unknown characters counts as one token.
        for (size_t end = piece.size(); end > 0;) {
            size_t begin = best[end].begin;
            const int32_t id = best[end].id;
            if (id == kNone || (unknown_ && id == *unknown_)) {
                while (begin > 0 && best[begin].id == id) begin = best[begin].begin;
                append_unknown_reversed(piece.substr(begin, end - begin), ids);
            } else {
                ids.push_back(id);
            }
            end = begin;
        }
        std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(first), ids.end());
    }

  private:
    static constexpr int32_t kNone = -1;  ///< an unknown character of a model without an unknown token

    struct Node {
        double score = 0;
        size_t begin = 0;
        int32_t id = kNone;
        bool reached = false;
    };

    std::vector<Node> search(std::string_view piece) const {
        std::vector<Node> best(piece.size() + 1);
        const auto offer = [&best](size_t begin, size_t end, double score, int32_t id) {
            Node& node = best[end];
            const double total = score + best[begin].score;
            if (!node.reached || total > node.score) node = {total, begin, id, true};
        };
        for (size_t pos = 0; pos < piece.size();) {
            const size_t size = std::min(utf8_length(piece[pos]), piece.size() - pos);
            bool covered = false;
            trie_.prefixes(piece.substr(pos), [&](size_t length, int32_t id) {
                offer(pos, pos + length, scores_[static_cast<size_t>(id)], id);
                covered = covered || length == size;
            });
            if (!covered) offer(pos, pos + size, unknown_score_, unknown_.value_or(kNone));
            pos += size;
        }
        return best;
    }

    void append_unknown_reversed(std::string_view text, std::vector<int32_t>& ids) const {
        if (const auto id = vocab_.find(text)) {
            ids.push_back(*id);
            return;
        }
        if (byte_fallback_) {
            std::vector<int32_t> bytes;
            for (const char b : text) {
                if (const auto id = vocab_.find(byte_token(static_cast<uint8_t>(b)))) bytes.push_back(*id);
            }
            if (bytes.size() == text.size()) {
                ids.insert(ids.end(), bytes.rbegin(), bytes.rend());
                return;
            }
        }
        if (unknown_) ids.push_back(*unknown_);
    }

    Vocab vocab_;
    std::vector<double> scores_;
    std::optional<int32_t> unknown_;
    bool byte_fallback_;
    Trie trie_;
    double unknown_score_ = 0;
};

}  // namespace

ModelPtr make_unigram(Vocab vocab, std::vector<double> scores, std::optional<int32_t> unknown, bool byte_fallback) {
    return std::make_unique<Unigram>(std::move(vocab), std::move(scores), unknown, byte_fallback);
}

}  // namespace gantry::text::tok
