// A tokenizer from GGUF keys. The keys say less than a tokenizer.json; what they leave out is the convention of the
// family, as the publishers' own files have it.

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/text/tokenizer/json_reader.hpp"
#include "runtime/text/tokenizer/pipeline.hpp"
#include "runtime/text/tokenizer/pre_names.hpp"

namespace gantry::text::tok {
namespace {

enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

Error damage(const std::string& key, const std::string& what) {
    return Error{Code::kDataLoss, "tokenizer.ggml." + key + ": " + what};
}

class GgufLoader {
  public:
    explicit GgufLoader(const registry::TokenizerGguf& source) : in_(source) {}

    Result<std::shared_ptr<const Tokenizer>> load() {
        GANTRY_CHECK_OK(check());
        if (in_.model == "gpt2") {
            GANTRY_CHECK_OK(load_gpt2());
        } else if (in_.model == "llama") {
            GANTRY_CHECK_OK(load_llama());
        } else if (in_.model == "t5") {
            GANTRY_CHECK_OK(load_t5());
        } else if (in_.model == "bert") {
            GANTRY_CHECK_OK(load_bert());
        } else {
            return Error{Code::kUnimplemented, "tokenizer.ggml.model: \"" + in_.model + "\" is not known"};
        }
        parts_.added = AddedTokens(added_tokens(), parts_.model->vocab(), parts_.normalizer.get());
        parts_.bos = in_.bos;
        parts_.eos = in_.eos;
        return make_pipeline(std::move(parts_));
    }

  private:
    Status check() const {
        const size_t count = in_.tokens.size();
        if (count == 0 || count > static_cast<size_t>(kMaxTokenId)) {
            return damage("tokens", "has " + std::to_string(count) + " tokens");
        }
        if (!in_.types.empty() && in_.types.size() != count) {
            return damage("token_type", "has " + std::to_string(in_.types.size()) + " items for " +
                                            std::to_string(count) + " tokens");
        }
        if (!in_.scores.empty() && in_.scores.size() != count) {
            return damage("scores", "has " + std::to_string(in_.scores.size()) + " items for " + std::to_string(count) +
                                        " tokens");
        }
        if (std::ranges::any_of(in_.scores, [](float s) { return !std::isfinite(s); })) {
            return damage("scores", "has a score that is not a number");
        }
        for (size_t i = 0; i < count; ++i) {
            if (!is_valid_utf8(in_.tokens[i])) return damage("tokens", index_text(i) + " is not UTF-8");
        }
        const std::pair<const char*, std::optional<int32_t>> ids[] = {
            {"bos_token_id", in_.bos},     {"eos_token_id", in_.eos},     {"eot_token_id", in_.eot},
            {"unknown_token_id", in_.unk}, {"padding_token_id", in_.pad}, {"seperator_token_id", in_.sep},
            {"cls_token_id", in_.cls},     {"mask_token_id", in_.mask}};
        for (const auto& [key, id] : ids) {
            if (id && (*id < 0 || static_cast<size_t>(*id) >= count)) {
                return damage(key, std::to_string(*id) + " is not one of the " + std::to_string(count) + " tokens");
            }
        }
        return ok();
    }

    int32_t type(size_t i) const { return in_.types.empty() ? kNormal : in_.types[i]; }

    Vocab plain_vocab() const {
        size_t bytes = 0;
        for (const std::string& token : in_.tokens) bytes += token.size();
        Vocab vocab;
        vocab.reserve(in_.tokens.size(), bytes);
        for (size_t i = 0; i < in_.tokens.size(); ++i) vocab.add(in_.tokens[i], static_cast<int32_t>(i));
        return vocab;
    }

    /// Control and unknown tokens are special; user-defined ones are only looked for in the text.
    std::vector<AddedToken> added_tokens() const {
        std::vector<AddedToken> tokens;
        for (size_t i = 0; i < in_.tokens.size(); ++i) {
            const bool special = type(i) == kControl || type(i) == kUnknown;
            if (!special && type(i) != kUserDefined) continue;
            const std::string_view content = parts_.model->vocab().token(static_cast<int32_t>(i));
            tokens.push_back({std::string(content), false, false, false, false, special});
        }
        return tokens;
    }

    std::optional<int32_t> unknown_id() const {
        if (in_.unk) return in_.unk;
        const auto it = std::ranges::find(in_.types, static_cast<int32_t>(kUnknown));
        return it == in_.types.end() ? std::nullopt : std::optional(static_cast<int32_t>(it - in_.types.begin()));
    }

    bool has_byte_tokens() const {
        return std::ranges::find(in_.types, static_cast<int32_t>(kByte)) != in_.types.end() ||
               std::ranges::find(in_.tokens, byte_token(0)) != in_.tokens.end();
    }

    void surround(bool add_bos, bool add_eos) {
        if (in_.add_bos.value_or(add_bos) && in_.bos) parts_.special.before.push_back(*in_.bos);
        if (in_.add_eos.value_or(add_eos) && in_.eos) parts_.special.after.push_back(*in_.eos);
    }

    Status load_gpt2() {
        auto settings = pre_settings(in_.pre);
        if (!settings) return settings.error();
        Vocab vocab = plain_vocab();
        std::vector<Merge> merges;
        merges.reserve(in_.merges.size());
        for (size_t i = 0; i < in_.merges.size(); ++i) {
            const std::string& line = in_.merges[i];
            const size_t space = line.find(' ', 1);
            if (space == std::string::npos) return damage("merges", index_text(i) + " is not a pair of tokens");
            const std::string_view left = std::string_view(line).substr(0, space);
            const std::string_view right = std::string_view(line).substr(space + 1);
            const auto left_id = vocab.find(left);
            const auto right_id = vocab.find(right);
            const auto result = vocab.find(std::string(left).append(right));
            if (!left_id || !right_id || !result) {
                return damage("merges", index_text(i) + " (" + line + ") names a token that is not in the vocabulary");
            }
            merges.push_back({*left_id, *right_id, *result, static_cast<uint32_t>(i)});
        }
        BpeOptions options;
        options.ignore_merges = settings->ignore_merges;
        parts_.model = make_bpe(std::move(vocab), merges, options);
        parts_.pre_tokenizer = std::move(settings->pre_tokenizer);
        if (settings->nfc) parts_.normalizer = make_unicode_normalizer(NormalForm::kNfc);
        parts_.decoder = make_byte_level_decoder();
        surround(settings->add_bos, false);
        if (settings->add_sep && in_.sep) parts_.special.after.push_back(*in_.sep);
        return ok();
    }

    /// SentencePiece BPE has no merges: any two neighbours merge whose concatenation is a token, best score first.
    std::vector<Merge> merges_from_scores(const Vocab& vocab) const {
        std::vector<float> ranking = in_.scores;
        std::ranges::sort(ranking, std::greater<>());
        ranking.erase(std::unique(ranking.begin(), ranking.end()), ranking.end());
        const auto rank_of = [&ranking](float score) {
            return static_cast<uint32_t>(std::ranges::lower_bound(ranking, score, std::greater<>()) - ranking.begin());
        };
        std::vector<Merge> merges;
        for (size_t i = 0; i < in_.tokens.size(); ++i) {
            if (type(i) == kControl || type(i) == kUnknown || type(i) == kByte) continue;
            const std::string_view token = in_.tokens[i];
            const uint32_t rank = in_.scores.empty() ? 0 : rank_of(in_.scores[i]);
            for (size_t cut = 0; cut < token.size();) {
                cut += utf8_length(token[cut]);
                if (cut >= token.size()) break;
                const auto left = vocab.find(token.substr(0, cut));
                const auto right = left ? vocab.find(token.substr(cut)) : std::nullopt;
                if (right) merges.push_back({*left, *right, static_cast<int32_t>(i), rank});
            }
        }
        return merges;
    }

    Status load_llama() {
        Vocab vocab = plain_vocab();
        const auto merges = merges_from_scores(vocab);
        BpeOptions options;
        options.unknown = unknown_id();
        options.fuse_unknown = true;
        options.byte_fallback = has_byte_tokens();
        parts_.model = make_bpe(std::move(vocab), merges, options);
        const bool prefix = in_.add_space_prefix.value_or(true);
        std::vector<NormalizerPtr> normalizers;
        if (prefix) normalizers.push_back(make_prepend(std::string(kMetaMark)));
        GANTRY_TRY(Regex space, Regex::literal(" "));
        normalizers.push_back(make_replace(std::move(space), std::string(kMetaMark)));
        parts_.normalizer = make_normalizer_sequence(std::move(normalizers));
        std::vector<DecoderPtr> decoders;
        GANTRY_TRY(Regex mark, Regex::literal(kMetaMark));
        decoders.push_back(make_replace_decoder(std::move(mark), " "));
        decoders.push_back(make_byte_fallback_decoder());
        decoders.push_back(make_fuse_decoder());
        if (prefix) decoders.push_back(make_strip_decoder(U' ', 1, 0));
        parts_.decoder = make_decoder_sequence(std::move(decoders));
        surround(true, false);
        return ok();
    }

    Status load_t5() {
        std::vector<NormalizerPtr> normalizers;
        if (!in_.precompiled_charsmap.empty()) {
            auto map = make_precompiled(in_.precompiled_charsmap);
            if (!map) return map.error().in("tokenizer.ggml.precompiled_charsmap");
            normalizers.push_back(std::move(*map));
        }
        if (in_.remove_extra_whitespaces.value_or(false)) {
            GANTRY_TRY(Regex spaces, Regex::compile(" {2,}"));
            normalizers.push_back(make_strip(true, true));
            normalizers.push_back(make_replace(std::move(spaces), " "));
        }
        parts_.normalizer = make_normalizer_sequence(std::move(normalizers));
        const auto scheme = in_.add_space_prefix.value_or(true) ? PrependScheme::kAlways : PrependScheme::kNever;
        parts_.pre_tokenizer = make_metaspace(std::string(kMetaMark), scheme, true);
        parts_.decoder = make_metaspace_decoder(std::string(kMetaMark), scheme);
        parts_.model =
            make_unigram(plain_vocab(), {in_.scores.begin(), in_.scores.end()}, unknown_id(), has_byte_tokens());
        surround(false, true);
        return ok();
    }

    /// The file marks what begins a word (U+2581); WordPiece marks what continues one (##).
    Vocab word_piece_vocab() const {
        Vocab vocab;
        vocab.reserve(in_.tokens.size(), in_.tokens.size() * 8);
        for (size_t i = 0; i < in_.tokens.size(); ++i) {
            const std::string_view token = in_.tokens[i];
            const bool bracketed = token.starts_with('[') && token.ends_with(']') && token.size() > 2;
            std::string text(token);
            if (token.starts_with(kMetaMark)) {
                text.erase(0, kMetaMark.size());
            } else if (type(i) != kControl && type(i) != kUnknown && !bracketed) {
                text.insert(0, "##");
            }
            vocab.add(text, static_cast<int32_t>(i));
        }
        return vocab;
    }

    /// The keys do not say whether text is lower-cased: a vocabulary with capital letters in its words is not.
    bool has_capitals() const {
        for (size_t i = 0; i < in_.tokens.size(); ++i) {
            const std::string_view token = in_.tokens[i];
            const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
            if (token.starts_with(kMetaMark) && type(i) == kNormal && std::ranges::any_of(token, capital) &&
                !token.ends_with(']')) {
                return true;
            }
        }
        return false;
    }

    Status load_bert() {
        WordPieceOptions options;
        options.unknown = unknown_id();
        Vocab vocab = word_piece_vocab();
        if (!options.unknown) options.unknown = vocab.find("[UNK]");
        parts_.model = make_word_piece(std::move(vocab), options);
        BertNormalizerOptions normalizer;
        normalizer.lowercase = !has_capitals();
        parts_.normalizer = make_bert_normalizer(normalizer);
        parts_.pre_tokenizer = make_bert_pre_tokenizer();
        parts_.decoder = make_word_piece_decoder("##", true);
        const auto first = in_.cls ? in_.cls : in_.bos;
        const auto last = in_.sep ? in_.sep : in_.eos;
        SpecialForm& special = parts_.special;
        if (in_.add_bos.value_or(true) && first) {
            special.before.push_back(*first);
            special.pair_before.push_back({*first, 0});
        }
        if (in_.add_eos.value_or(true) && last) {
            special.after.push_back(*last);
            special.pair_between.push_back({*last, 0});
            special.pair_after.push_back({*last, 1});
        }
        return ok();
    }

    const registry::TokenizerGguf& in_;
    PipelineParts parts_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_tokenizer_gguf(const registry::TokenizerGguf& source) {
    return GgufLoader(source).load();
}

}  // namespace gantry::text::tok
