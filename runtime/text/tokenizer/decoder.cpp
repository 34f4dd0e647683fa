#include "runtime/text/tokenizer/decoder.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/text/tokenizer/byte_level.hpp"
#include "runtime/text/tokenizer/model.hpp"
#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    if (from.empty()) return;
    size_t pos = text.find(from);
    if (pos == std::string::npos) return;
    std::string out;
    size_t done = 0;
    for (; pos != std::string::npos; pos = text.find(from, done)) {
        out.append(text, done, pos - done).append(to);
        done = pos + from.size();
    }
    text = out.append(text, done);
}

/// Takes back the spaces that tokenizing put around English punctuation and contractions.
void clean_up(std::string& text) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kSteps{{{" .", "."},
                                                                                    {" ?", "?"},
                                                                                    {" !", "!"},
                                                                                    {" ,", ","},
                                                                                    {" ' ", "'"},
                                                                                    {" n't", "n't"},
                                                                                    {" 'm", "'m"},
                                                                                    {" do not", " don't"},
                                                                                    {" 's", "'s"},
                                                                                    {" 've", "'ve"},
                                                                                    {" 're", "'re"}}};
    for (const auto& [from, to] : kSteps) replace_all(text, from, to);
}

class ByteLevelDecoder final : public Decoder {
  public:
    void apply(TokenTexts& tokens) const override {
        std::string bytes;
        for (const std::string& token : tokens) append_token_bytes(bytes, token);
        tokens.assign(1, std::string());
        append_lossy(tokens.front(), bytes);
    }
    bool apply_inside(std::string& token) const override {
        std::string bytes;
        append_token_bytes(bytes, token);
        token = std::move(bytes);
        return false;
    }
};

class MetaspaceDecoder final : public Decoder {
  public:
    MetaspaceDecoder(std::string replacement, PrependScheme scheme)
        : replacement_(std::move(replacement)), scheme_(scheme) {}
    void apply(TokenTexts& tokens) const override {
        for (size_t i = 0; i < tokens.size(); ++i) {
            replace_all(tokens[i], replacement_, i == 0 && scheme_ != PrependScheme::kNever ? "" : " ");
        }
    }
    bool apply_inside(std::string& token) const override {
        replace_all(token, replacement_, " ");
        return true;
    }

  private:
    std::string replacement_;
    PrependScheme scheme_;
};

class WordPieceDecoder final : public Decoder {
  public:
    WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
    void apply(TokenTexts& tokens) const override {
        for (size_t i = 0; i < tokens.size(); ++i) {
            if (i > 0) {
                apply_inside(tokens[i]);
            } else if (cleanup_) {
                clean_up(tokens[i]);
            }
        }
    }
    bool apply_inside(std::string& token) const override {
        if (token.starts_with(prefix_)) {
            token.erase(0, prefix_.size());
        } else {
            token.insert(0, " ");
        }
        if (cleanup_) clean_up(token);
        return true;
    }

  private:
    std::string prefix_;
    bool cleanup_;
};

class BpeDecoder final : public Decoder {
  public:
    explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
    void apply(TokenTexts& tokens) const override {
        for (size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
    }
    bool apply_inside(std::string& token) const override {
        replace_all(token, suffix_, " ");
        return true;
    }

  private:
    std::string suffix_;
};

class ByteFallbackDecoder final : public Decoder {
  public:
    void apply(TokenTexts& tokens) const override {
        TokenTexts out;
        out.reserve(tokens.size());
        std::string run;  // bytes that stand together
        const auto end_run = [&] {
            if (is_valid_utf8(run)) {
                if (!run.empty()) out.push_back(run);
            } else {
                out.insert(out.end(), run.size(), std::string(kReplacement));
            }
            run.clear();
        };
        for (std::string& token : tokens) {
            if (const auto byte = byte_of_token(token)) {
                run.push_back(static_cast<char>(*byte));
            } else {
                end_run();
                out.push_back(std::move(token));
            }
        }
        end_run();
        tokens = std::move(out);
    }
    bool apply_inside(std::string& token) const override {
        if (const auto byte = byte_of_token(token)) token.assign(1, static_cast<char>(*byte));
        return true;
    }
};

class FuseDecoder final : public Decoder {
  public:
    void apply(TokenTexts& tokens) const override {
        std::string all;
        for (const std::string& token : tokens) all.append(token);
        tokens.assign(1, std::move(all));
    }
    bool apply_inside(std::string&) const override { return false; }
};

class StripDecoder final : public Decoder {
  public:
    StripDecoder(char32_t content, size_t start, size_t stop) : start_(start), stop_(stop) {
        append_utf8(content_, content);
    }
    void apply(TokenTexts& tokens) const override {
        for (std::string& token : tokens) apply_inside(token);
    }
    bool apply_inside(std::string& token) const override {
        size_t front = 0;
        for (size_t i = 0; i < start_ && token.compare(front, content_.size(), content_) == 0; ++i)
            front += content_.size();
        token.erase(0, front);
        for (size_t i = 0; i < stop_ && token.ends_with(content_); ++i) token.resize(token.size() - content_.size());
        return true;
    }

  private:
    std::string content_;
    size_t start_, stop_;
};

class ReplaceDecoder final : public Decoder {
  public:
    ReplaceDecoder(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
    void apply(TokenTexts& tokens) const override {
        for (std::string& token : tokens) apply_inside(token);
    }
    bool apply_inside(std::string& token) const override {
        std::vector<Match> matches;
        if (!token.empty() && is_valid_utf8(token)) pattern_.find_all(token, matches);
        if (matches.empty()) return true;
        std::string out;
        size_t done = 0;
        for (const Match& m : matches) {
            out.append(token, done, m.begin - done).append(content_);
            done = m.end;
        }
        token = out.append(token, done);
        return true;
    }

  private:
    Regex pattern_;
    std::string content_;
};

class CtcDecoder final : public Decoder {
  public:
    CtcDecoder(std::string pad, std::string word_delimiter, bool cleanup)
        : pad_(std::move(pad)), word_delimiter_(std::move(word_delimiter)), cleanup_(cleanup) {}
    void apply(TokenTexts& tokens) const override {
        tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
        for (std::string& token : tokens) apply_inside(token);
        std::erase_if(tokens, [](const std::string& token) { return token.empty(); });
    }
    bool apply_inside(std::string& token) const override {
        replace_all(token, pad_, "");
        if (cleanup_) {
            clean_up(token);
            replace_all(token, word_delimiter_, " ");
        }
        return true;
    }

  private:
    std::string pad_, word_delimiter_;
    bool cleanup_;
};

class DecoderSequence final : public Decoder {
  public:
    explicit DecoderSequence(std::vector<DecoderPtr> parts) : parts_(std::move(parts)) {}
    void apply(TokenTexts& tokens) const override {
        for (const DecoderPtr& part : parts_) part->apply(tokens);
    }
    bool apply_inside(std::string& token) const override {
        return std::ranges::all_of(parts_, [&token](const DecoderPtr& part) { return part->apply_inside(token); });
    }

  private:
    std::vector<DecoderPtr> parts_;
};

}  // namespace

DecoderPtr make_byte_level_decoder() { return std::make_unique<ByteLevelDecoder>(); }
DecoderPtr make_metaspace_decoder(std::string replacement, PrependScheme scheme) {
    return std::make_unique<MetaspaceDecoder>(std::move(replacement), scheme);
}
DecoderPtr make_word_piece_decoder(std::string prefix, bool cleanup) {
    return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}
DecoderPtr make_bpe_decoder(std::string suffix) { return std::make_unique<BpeDecoder>(std::move(suffix)); }
DecoderPtr make_byte_fallback_decoder() { return std::make_unique<ByteFallbackDecoder>(); }
DecoderPtr make_fuse_decoder() { return std::make_unique<FuseDecoder>(); }
DecoderPtr make_strip_decoder(char32_t content, size_t start, size_t stop) {
    return std::make_unique<StripDecoder>(content, start, stop);
}
DecoderPtr make_replace_decoder(Regex pattern, std::string content) {
    return std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(content));
}
DecoderPtr make_ctc_decoder(std::string pad, std::string word_delimiter, bool cleanup) {
    return std::make_unique<CtcDecoder>(std::move(pad), std::move(word_delimiter), cleanup);
}
DecoderPtr make_decoder_sequence(std::vector<DecoderPtr> parts) {
    return std::make_unique<DecoderSequence>(std::move(parts));
}

}  // namespace gantry::text::tok
