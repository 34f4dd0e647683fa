#include "runtime/text/tokenizer/pipeline.hpp"

#include <algorithm>
#include <functional>

namespace gantry::text {
namespace tok {
namespace {

/// Remembers the ids of the words of one text: words repeat. Direct-mapped; a collision forgets the older word.
class WordCache {
  public:
    /// The words' bytes must outlive the cache; `ids` is where all results are appended.
    explicit WordCache(std::vector<int32_t>& ids) : ids_(ids), slots_(kSlots) {}

    void append(const Model& model, std::string_view word) {
        Slot& slot = slots_[std::hash<std::string_view>{}(word) % kSlots];
        const size_t begin = ids_.size();
        if (slot.word == word) {
            for (size_t i = 0; i < slot.count; ++i) {
                ids_.push_back(ids_[slot.begin + i]);
            }
            return;
        }
        model.tokenize(word, ids_);
        slot = {word, begin, ids_.size() - begin};
    }

  private:
    static constexpr size_t kSlots = 4096;
    struct Slot {
        std::string_view word;
        size_t begin = 0, count = 0;
    };
    std::vector<int32_t>& ids_;
    std::vector<Slot> slots_;
};

/// From how many pieces on the cache is worth its memory.
constexpr size_t kWorthCaching = 64;

class Pipeline final : public Tokenizer {
  public:
    explicit Pipeline(PipelineParts parts) : parts_(std::move(parts)) {}

    std::vector<int32_t> encode(std::string_view text, EncodeOptions options) const override {
        std::string repaired;
        if (!is_valid_utf8(text)) {
            append_lossy(repaired, text);
            text = repaired;
        }
        std::vector<int32_t> ids;
        if (options.add_special) ids = parts_.special.before;
        std::vector<AddedTokens::Part> parts;
        parts_.added.split(text, false, options.parse_special, parts);
        for (const auto& part : parts) {
            if (part.id) {
                ids.push_back(*part.id);
            } else {
                encode_raw(text.substr(part.begin, part.end - part.begin), part.begin == 0, options, ids);
            }
        }
        if (options.add_special) ids.insert(ids.end(), parts_.special.after.begin(), parts_.special.after.end());
        return ids;
    }

    std::string decode(std::span<const int32_t> ids, bool skip_special) const override {
        TokenTexts tokens;
        tokens.reserve(ids.size());
        for (const int32_t id : ids) {
            if (parts_.added.by_id(id) == nullptr && !parts_.model->vocab().has_id(id)) continue;
            const auto content = decode_form(id);
            const bool skipped = skip_special && is_special(id) && parts_.added.is_special_text(content);
            if (!skipped) tokens.emplace_back(content);
        }
        if (tokens.empty()) return {};
        if (parts_.decoder) parts_.decoder->apply(tokens);
        std::string text;
        for (size_t i = 0; i < tokens.size(); ++i) {
            if (i > 0 && !parts_.decoder) text.push_back(' ');
            text.append(tokens[i]);
        }
        return text;
    }

    const SpecialForm& special_form() const { return parts_.special; }

    size_t vocab_size() const override { return std::max(parts_.model->vocab().id_limit(), parts_.added.id_limit()); }

    std::optional<int32_t> token_to_id(std::string_view token) const override {
        const auto added = parts_.added.find(token);
        return added ? added : parts_.model->vocab().find(token);
    }

    std::string_view id_to_token(int32_t id) const override {
        const AddedToken* added = parts_.added.by_id(id);
        return added != nullptr ? std::string_view(added->content) : parts_.model->vocab().token(id);
    }

    std::string token_bytes(int32_t id) const override {
        std::string text(decode_form(id));
        if (text.empty() || is_special(id)) return {};
        if (parts_.decoder) {
            parts_.decoder->apply_inside(text);
        } else {
            text.insert(0, " ");
        }
        return text;
    }

    bool is_special(int32_t id) const override {
        const AddedToken* added = parts_.added.by_id(id);
        return added != nullptr && added->special;
    }

    std::optional<int32_t> bos_id() const override { return parts_.bos; }
    std::optional<int32_t> eos_id() const override { return parts_.eos; }

  private:
    std::string_view decode_form(int32_t id) const {
        const std::string_view added = parts_.added.decode_form(id);
        return added.empty() ? parts_.model->vocab().token(id) : added;
    }

    void encode_raw(std::string_view raw, bool at_start, EncodeOptions options, std::vector<int32_t>& ids) const {
        NormalText normal{std::string(raw), at_start};
        if (parts_.normalizer) parts_.normalizer->apply(normal);
        std::vector<AddedTokens::Part> parts;
        parts_.added.split(normal.text, true, options.parse_special, parts);
        for (const auto& part : parts) {
            if (part.id) {
                ids.push_back(*part.id);
            } else if (parts.size() == 1) {
                encode_normal(std::move(normal.text), normal.at_start, ids);
            } else {
                encode_normal(normal.text.substr(part.begin, part.end - part.begin), normal.at_start && part.begin == 0,
                              ids);
            }
        }
    }

    void encode_normal(std::string text, bool at_start, std::vector<int32_t>& ids) const {
        Pieces pieces;
        pieces.text = std::move(text);
        pieces.spans.push_back({0, pieces.text.size(), at_start});
        if (parts_.pre_tokenizer) parts_.pre_tokenizer->apply(pieces);
        if (pieces.spans.size() >= kWorthCaching) {
            WordCache cache(ids);
            for (const auto& span : pieces.spans) cache.append(*parts_.model, pieces.view(span));
        } else {
            for (const auto& span : pieces.spans) parts_.model->tokenize(pieces.view(span), ids);
        }
    }

    PipelineParts parts_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_pipeline(PipelineParts parts) {
    return std::make_shared<Pipeline>(std::move(parts));
}

}  // namespace tok

SpecialForm special_form(const Tokenizer& tokenizer) {
    const auto* pipeline = dynamic_cast<const tok::Pipeline*>(&tokenizer);
    return pipeline != nullptr ? pipeline->special_form() : SpecialForm();
}

Result<std::shared_ptr<const Tokenizer>> Tokenizer::create(const registry::TokenizerSource& source) {
    if (const auto* json = std::get_if<registry::TokenizerJson>(&source)) {
        return tok::load_tokenizer_json(*json);
    }
    if (const auto* gguf = std::get_if<registry::TokenizerGguf>(&source)) {
        return tok::load_tokenizer_gguf(*gguf);
    }
    return Error{Code::kNotFound, "the model has no tokenizer", "add tokenizer.json to the model's folder"};
}

}  // namespace gantry::text
