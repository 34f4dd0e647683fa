#include "runtime/runner/text_encoder.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/encoder/rows.hpp"

namespace gantry::runner {

using encoder::Sequence;
using encoder::Task;
using registry::EncoderInfo;

namespace {

/// The text itself is tokenised without special tokens; they are put around it after any cut.
constexpr text::EncodeOptions kPlain{false, true};

/// How sentence-transformers' users name the prompts of the two kinds of texts, the commonest name first.
constexpr std::array<std::string_view, 3> kQueryPrompts{"query", "search_query", "Retrieval-query"};
constexpr std::array<std::string_view, 5> kDocumentPrompts{"document", "passage", "search_document",
                                                           "Retrieval-document", "corpus"};

void append(Sequence& out, std::span<const int32_t> ids, int32_t segment) {
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.types.insert(out.types.end(), ids.size(), segment);
}

void append(Sequence& out, std::span<const text::SegmentToken> tokens) {
    for (const text::SegmentToken& token : tokens) {
        out.ids.push_back(token.id);
        out.types.push_back(token.segment);
    }
}

/// Segments are only told where there are any.
Sequence without_plain_types(Sequence sequence) {
    if (std::ranges::all_of(sequence.types, [](int32_t type) { return type == 0; })) {
        sequence.types.clear();
    }
    return sequence;
}

/// Cuts the longer of two texts first, as tokenizers do by "longest_first"; the lengths that are left.
std::pair<size_t, size_t> longest_first(size_t first, size_t second, size_t room) {
    if (first + second <= room) {
        return {first, second};
    }
    size_t small = std::min(first, second);
    size_t large = small > room ? small : std::max(small, room - small);
    if (small + large > room) {
        small = room / 2;
        large = small + room % 2;
    }
    return first > second ? std::pair(large, small) : std::pair(small, large);
}

void replace_all(std::string& text, std::string_view name, std::string_view value) {
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + value.size())) {
        text.replace(at, name.size(), value);
    }
}

Error room_for_specials(size_t limit, size_t specials) {
    return {Code::kInvalidArgument, fmt::format("an input of {} tokens would have room for nothing but the {} special "
                                                "tokens that the model needs",
                                                limit, specials)};
}

std::string names_of(const std::map<std::string, std::string>& prompts) {
    std::string out;
    for (const auto& [name, prompt] : prompts) {
        out += (out.empty() ? "" : ", ") + name;
    }
    return out;
}

}  // namespace

EncoderInfo guess_encoder_info(const encoder::EncoderLimits& limits) {
    EncoderInfo info;
    if (limits.score_width == 0) {
        info.normalize = true;
        info.width = static_cast<uint32_t>(limits.embed_width);
        return info;
    }
    info.task = limits.score_width == 1 ? EncoderInfo::Task::kRerank : EncoderInfo::Task::kClassify;
    info.activation = limits.score_width == 1 ? EncoderInfo::Activation::kSigmoid : EncoderInfo::Activation::kSoftmax;
    info.pooling = GANTRY_POOLING_SCORES;
    info.width = static_cast<uint32_t>(limits.score_width);
    for (uint64_t i = 0; i < limits.score_width; ++i) {
        info.labels.push_back("LABEL_" + std::to_string(i));
    }
    return info;
}

TextEncoder::TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, EncoderInfo info,
                         encoder::EncoderLimits limits)
    : tokenizer_(std::move(tokenizer)),
      info_(std::move(info)),
      limits_(limits),
      form_(text::special_form(*tokenizer_)),
      max_tokens_(info_.max_tokens != 0 ? std::min(info_.max_tokens, limits.max_context) : limits.max_context) {}

uint64_t TextEncoder::width() const {
    return info_.task == EncoderInfo::Task::kEmbed ? limits_.embed_width : limits_.score_width;
}

Status TextEncoder::check_task(Task task) const {
    const bool embeds = info_.task == EncoderInfo::Task::kEmbed;
    if (embeds == (task == Task::kEmbed) && (task != Task::kScore || info_.task == EncoderInfo::Task::kRerank)) {
        return ok();
    }
    switch (info_.task) {
        case EncoderInfo::Task::kEmbed:
            return Error{
                Code::kInvalidArgument,
                "the model makes embeddings; it does not " + std::string(task == Task::kScore ? "rerank" : "classify"),
                "use /v1/embeddings"};
        case EncoderInfo::Task::kRerank:
            return Error{Code::kInvalidArgument, "the model reranks; it makes no embeddings", "use /v1/rerank"};
        default:
            return Error{Code::kInvalidArgument, "the model classifies; it neither makes embeddings nor reranks",
                         "use /v1/classify"};
    }
}

Result<uint64_t> TextEncoder::kept_width(const encoder::EncodeRequest& request) const {
    const uint64_t all = width();
    if (!request.dimensions) {
        return all;
    }
    const uint32_t wanted = *request.dimensions;
    if (request.task != Task::kEmbed) {
        return Error{Code::kInvalidArgument, "dimensions are for embeddings only"};
    }
    if (wanted == 0 || wanted > all) {
        return Error{Code::kInvalidArgument,
                     fmt::format("dimensions is {}, but the model's vectors have {}", wanted, all)};
    }
    if (wanted != all && !info_.dimensions.empty() &&
        std::ranges::find(info_.dimensions, wanted) == info_.dimensions.end()) {
        std::string known;
        for (const uint32_t one : info_.dimensions) {
            known += (known.empty() ? "" : ", ") + std::to_string(one);
        }
        return Error{Code::kInvalidArgument,
                     fmt::format("dimensions is {}, for which the model was not trained", wanted),
                     "it was trained for " + known};
    }
    return wanted;
}

Result<std::string> TextEncoder::prompt(const encoder::EncodeRequest& request) const {
    if (!request.prompt_name.empty()) {
        const auto found = info_.prompts.find(request.prompt_name);
        if (found == info_.prompts.end()) {
            return Error{Code::kInvalidArgument, "the model has no prompt \"" + request.prompt_name + "\"",
                         info_.prompts.empty() ? "it has none" : "it has: " + names_of(info_.prompts)};
        }
        return found->second;
    }
    const auto first_of = [&](std::span<const std::string_view> names) -> std::string {
        for (const std::string_view name : names) {
            if (const auto found = info_.prompts.find(std::string(name)); found != info_.prompts.end()) {
                return found->second;
            }
        }
        return {};
    };
    if (request.input_type == "query") {
        return first_of(kQueryPrompts);
    }
    if (request.input_type == "document") {
        return first_of(kDocumentPrompts);
    }
    const auto standard = info_.prompts.find(info_.default_prompt_name);
    return standard == info_.prompts.end() ? std::string() : standard->second;
}

Result<TextEncoder::Cut> TextEncoder::cut(const encoder::EncodeRequest& request) const {
    if (!request.truncate_prompt_tokens) {
        return Cut{max_tokens_, false};
    }
    const int32_t wanted = *request.truncate_prompt_tokens;
    if (wanted == 0 || wanted < -1) {
        return Error{Code::kInvalidArgument,
                     fmt::format("truncate_prompt_tokens is {}; it must be -1 or at least 1", wanted)};
    }
    return Cut{wanted == -1 ? max_tokens_ : std::min(static_cast<uint32_t>(wanted), max_tokens_), true};
}

Error TextEncoder::too_long(size_t tokens) const {
    return {Code::kInvalidArgument,
            fmt::format("it has {} tokens, but the model takes at most {}", tokens, max_tokens_),
            "split it, or set truncate_prompt_tokens to -1 to have its end cut off"};
}

Result<TextEncoder::Prepared> TextEncoder::prepare(encoder::EncodeRequest request) const {
    GANTRY_CHECK_OK(check_task(request.task));
    Prepared out;
    GANTRY_TRY(out.keep, kept_width(request));
    GANTRY_TRY(const std::string prefix, prompt(request));
    GANTRY_TRY(const Cut limit, cut(request));
    out.task = request.task;
    out.normalize = request.task == Task::kEmbed && request.normalize.value_or(info_.normalize);
    out.activate = request.task != Task::kEmbed && !request.raw_scores;
    out.work.id = std::move(request.id);
    out.work.pooling = request.task == Task::kEmbed ? GANTRY_POOLING_DEFAULT : GANTRY_POOLING_SCORES;
    out.work.priority = request.priority;
    out.work.share_key = std::move(request.share_key);
    out.work.deadline_ms = request.deadline_ms.value_or(0);
    for (size_t i = 0; i < request.inputs.size(); ++i) {
        bool truncated = false;
        auto sequence = encode(request.inputs[i], prefix, request.add_special, limit, truncated);
        if (!sequence) {
            return sequence.error().in("input " + std::to_string(i));
        }
        out.prompt_tokens.push_back(static_cast<uint32_t>(sequence->ids.size()));
        out.truncated_inputs += truncated ? 1 : 0;
        out.work.inputs.push_back(std::move(*sequence));
        request.inputs[i] = std::string();  // its memory is not needed any more
    }
    return out;
}

Result<Sequence> TextEncoder::encode(const encoder::Input& input, const std::string& prefix, bool add_special,
                                     const Cut& cut, bool& truncated) const {
    if (const auto* pair = std::get_if<encoder::TextPair>(&input)) {
        return info_.pair_template.empty() ? encode_pair(*pair, cut, truncated) : fill_template(*pair, cut, truncated);
    }
    if (const auto* ids = std::get_if<std::vector<int32_t>>(&input)) {
        Sequence out{*ids, {}};
        truncated = out.ids.size() > cut.limit;
        if (truncated && !cut.asked) {
            return too_long(out.ids.size());
        }
        out.ids.resize(std::min(out.ids.size(), cut.limit));
        return out;
    }
    const auto& text = std::get<std::string>(input);
    return prefix.empty() ? encode_text(text, add_special, cut, truncated)
                          : encode_text(prefix + text, add_special, cut, truncated);
}

Result<Sequence> TextEncoder::encode_text(const std::string& text, bool add_special, const Cut& cut,
                                          bool& truncated) const {
    std::vector<int32_t> body = tokenizer_->encode(text, kPlain);
    const size_t specials = add_special ? form_.before.size() + form_.after.size() : 0;
    truncated = body.size() + specials > cut.limit;
    if (truncated) {
        if (!cut.asked) {
            return too_long(body.size() + specials);
        }
        if (cut.limit <= specials) {
            return room_for_specials(cut.limit, specials);
        }
        body.resize(cut.limit - specials);
    }
    if (!add_special) {
        return Sequence{std::move(body), {}};
    }
    Sequence out{form_.before, {}};
    out.ids.insert(out.ids.end(), body.begin(), body.end());
    out.ids.insert(out.ids.end(), form_.after.begin(), form_.after.end());
    return out;
}

Result<Sequence> TextEncoder::encode_pair(const encoder::TextPair& pair, const Cut& cut, bool& truncated) const {
    const std::vector<int32_t> first = tokenizer_->encode(pair.first, kPlain);
    const std::vector<int32_t> second = tokenizer_->encode(pair.second, kPlain);
    const size_t specials = form_.pair_before.size() + form_.pair_between.size() + form_.pair_after.size();
    const size_t all = first.size() + second.size() + specials;
    truncated = all > cut.limit;
    if (truncated && !cut.asked) {
        return too_long(all);
    }
    if (cut.limit <= specials) {
        return room_for_specials(cut.limit, specials);
    }
    const auto [keep_first, keep_second] = longest_first(first.size(), second.size(), cut.limit - specials);
    Sequence out;
    append(out, form_.pair_before);
    append(out, std::span(first).first(keep_first), form_.first_segment);
    append(out, form_.pair_between);
    append(out, std::span(second).first(keep_second), form_.second_segment);
    append(out, form_.pair_after);
    return without_plain_types(std::move(out));
}

/// A question to a language model. Where it is too long, the document's end is cut, not what comes behind it.
Result<Sequence> TextEncoder::fill_template(const encoder::TextPair& pair, const Cut& cut, bool& truncated) const {
    constexpr std::string_view kDocument = "{document}";
    const size_t at = std::min(info_.pair_template.find(kDocument), info_.pair_template.size());
    std::string head = info_.pair_template.substr(0, at);
    std::string tail = at < info_.pair_template.size() ? info_.pair_template.substr(at + kDocument.size()) : "";
    for (std::string* part : {&head, &tail}) {
        replace_all(*part, "{instruction}", info_.default_instruction);
        replace_all(*part, "{query}", pair.first);
    }
    head += pair.second;
    std::vector<int32_t> ids = tokenizer_->encode(head + tail, kPlain);
    truncated = ids.size() > cut.limit;
    if (truncated) {
        if (!cut.asked) {
            return too_long(ids.size());
        }
        const std::vector<int32_t> end = tokenizer_->encode(tail, kPlain);
        if (cut.limit <= end.size()) {
            return room_for_specials(cut.limit, end.size());
        }
        ids = tokenizer_->encode(head, kPlain);
        ids.resize(std::min(ids.size(), cut.limit - end.size()));
        ids.insert(ids.end(), end.begin(), end.end());
    }
    return Sequence{std::move(ids), {}};
}

encoder::EncodeResult TextEncoder::finish(Prepared prepared, encoder::EncodedRows rows) const {
    encoder::EncodeResult out;
    out.width = prepared.keep;
    out.values = prepared.keep == rows.width
                     ? std::move(rows.values)
                     : encoder::first_components(std::move(rows.values), rows.width, prepared.keep);
    if (prepared.normalize) {
        encoder::normalize_rows(out.values, out.width);
    }
    if (prepared.activate && info_.activation == EncoderInfo::Activation::kSigmoid) {
        encoder::logistic_rows(out.values);
    } else if (prepared.activate && info_.activation == EncoderInfo::Activation::kSoftmax) {
        encoder::softmax_rows(out.values, out.width);
    }
    out.prompt_tokens = std::move(prepared.prompt_tokens);
    out.truncated_inputs = prepared.truncated_inputs;
    out.queue_seconds = rows.queue_seconds;
    out.compute_seconds = rows.compute_seconds;
    return out;
}

}  // namespace gantry::runner
