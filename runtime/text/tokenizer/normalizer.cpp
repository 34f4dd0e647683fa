#include "runtime/text/tokenizer/normalizer.hpp"

#include <algorithm>
#include <utility>

#include "runtime/text/tokenizer/byte_level.hpp"

namespace gantry::text::tok {
namespace {

/// Rebuilds the text character by character; `f(out, c)` appends what c becomes. A first character that becomes
/// nothing moves the text off the start of the input.
template <class F>
void map_characters(NormalText& t, F f) {
    std::string out;
    out.reserve(t.text.size());
    bool first = true;
    for (size_t pos = 0, size = 0; pos < t.text.size(); pos += size) {
        f(out, decode_utf8(t.text, pos, size));
        if (std::exchange(first, false) && out.empty()) {
            t.at_start = false;
        }
    }
    t.text = std::move(out);
}

class UnicodeNormalizer final : public Normalizer {
  public:
    explicit UnicodeNormalizer(NormalForm form) : form_(form) {}
    void apply(NormalText& t) const override { t.text = normalize_form(t.text, form_); }

  private:
    NormalForm form_;
};

class Lowercase final : public Normalizer {
  public:
    void apply(NormalText& t) const override { map_characters(t, append_lower); }
};

class Strip final : public Normalizer {
  public:
    Strip(bool left, bool right) : left_(left), right_(right) {}
    void apply(NormalText& t) const override {
        size_t first_kept = t.text.size();
        size_t end_kept = 0;
        for (size_t pos = 0, size = 0; pos < t.text.size(); pos += size) {
            if (!is_white_space(decode_utf8(t.text, pos, size))) {
                first_kept = std::min(first_kept, pos);
                end_kept = pos + size;
            }
        }
        if (right_) t.text.resize(std::max(end_kept, left_ ? first_kept : 0));
        if (left_ && first_kept > 0) {
            t.text.erase(0, first_kept);
            t.at_start = false;
        }
    }

  private:
    bool left_, right_;
};

class StripAccents final : public Normalizer {
  public:
    void apply(NormalText& t) const override {
        map_characters(t, [](std::string& out, char32_t c) {
            if (!is_mark(c)) append_utf8(out, c);
        });
    }
};

class Replace final : public Normalizer {
  public:
    Replace(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
    void apply(NormalText& t) const override {
        std::vector<Match> matches;
        if (!t.text.empty()) pattern_.find_all(t.text, matches);
        if (matches.empty()) return;
        if (matches.front().begin == 0 && content_.empty()) t.at_start = false;
        std::string out;
        out.reserve(t.text.size() + matches.size() * content_.size());
        size_t done = 0;
        for (const Match& m : matches) {
            out.append(t.text, done, m.begin - done).append(content_);
            done = m.end;
        }
        t.text = out.append(t.text, done);
    }

  private:
    Regex pattern_;
    std::string content_;
};

class Prepend final : public Normalizer {
  public:
    explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
    void apply(NormalText& t) const override {
        if (!t.text.empty()) t.text.insert(0, prefix_);
    }

  private:
    std::string prefix_;
};

bool is_chinese(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class BertNormalizer final : public Normalizer {
  public:
    explicit BertNormalizer(BertNormalizerOptions options) : options_(options) {}
    void apply(NormalText& t) const override {
        if (options_.clean_text) map_characters(t, append_clean);
        if (options_.handle_chinese_chars) map_characters(t, append_spaced);
        if (options_.strip_accents.value_or(options_.lowercase)) {
            t.text = normalize_form(t.text, NormalForm::kNfd);
            map_characters(t, [](std::string& out, char32_t c) {
                if (!is_nonspacing_mark(c)) append_utf8(out, c);
            });
        }
        if (options_.lowercase) map_characters(t, append_lower);
    }

  private:
    static void append_clean(std::string& out, char32_t c) {
        if (is_white_space(c) && c != 0x0B && c != 0x0C && c != 0x85) {  // those three count as control characters
            out.push_back(' ');
        } else if (c != 0xFFFD && !is_control_or_format(c)) {
            append_utf8(out, c);
        }
    }
    static void append_spaced(std::string& out, char32_t c) {
        const bool chinese = is_chinese(c);
        if (chinese) out.push_back(' ');
        append_utf8(out, c);
        if (chinese) out.push_back(' ');
    }
    BertNormalizerOptions options_;
};

class Nmt final : public Normalizer {
  public:
    void apply(NormalText& t) const override {
        map_characters(t, [](std::string& out, char32_t c) {
            const bool dropped = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                                 c == 0x8F || c == 0x9F;
            const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                               (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                               c == 0xFEFF || c == 0xFFFD;
            if (!dropped) append_utf8(out, space ? U' ' : c);
        });
    }
};

class ByteLevelNormalizer final : public Normalizer {
  public:
    void apply(NormalText& t) const override {
        std::string out;
        out.reserve(t.text.size() * 2);
        append_byte_chars(out, t.text);
        t.text = std::move(out);
    }
};

class NormalizerSequence final : public Normalizer {
  public:
    explicit NormalizerSequence(std::vector<NormalizerPtr> parts) : parts_(std::move(parts)) {}
    void apply(NormalText& t) const override {
        for (const NormalizerPtr& part : parts_) part->apply(t);
    }

  private:
    std::vector<NormalizerPtr> parts_;
};

}  // namespace

NormalizerPtr make_unicode_normalizer(NormalForm form) { return std::make_unique<UnicodeNormalizer>(form); }
NormalizerPtr make_lowercase() { return std::make_unique<Lowercase>(); }
NormalizerPtr make_strip(bool left, bool right) { return std::make_unique<Strip>(left, right); }
NormalizerPtr make_strip_accents() { return std::make_unique<StripAccents>(); }
NormalizerPtr make_replace(Regex pattern, std::string content) {
    return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
NormalizerPtr make_prepend(std::string prefix) { return std::make_unique<Prepend>(std::move(prefix)); }
NormalizerPtr make_bert_normalizer(BertNormalizerOptions options) { return std::make_unique<BertNormalizer>(options); }
NormalizerPtr make_nmt() { return std::make_unique<Nmt>(); }
NormalizerPtr make_byte_level_normalizer() { return std::make_unique<ByteLevelNormalizer>(); }
NormalizerPtr make_normalizer_sequence(std::vector<NormalizerPtr> parts) {
    return std::make_unique<NormalizerSequence>(std::move(parts));
}

}  // namespace gantry::text::tok
