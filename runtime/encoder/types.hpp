#pragma once

/// What a client asks of an embedding, reranking or classifying model, and what it gets: the one form that all dialects
/// share.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace gantry::encoder {

enum class Task {
    kEmbed,    ///< a vector for each input
    kScore,    ///< how well the second text of each pair answers the first
    kClassify  ///< a probability for each of the model's labels
};
std::string_view task_name(Task task);  ///< "embed", "score", "classify"

struct TextPair {
    std::string first, second;
    bool operator==(const TextPair&) const = default;
};
/// A text, the tokens of one (taken as they are), or a pair of texts.
using Input = std::variant<std::string, std::vector<int32_t>, TextPair>;

struct EncodeRequest {
    std::string id;  ///< unique in the runner; empty: the runner makes one
    Task task = Task::kEmbed;
    std::vector<Input> inputs;
    std::optional<uint32_t> dimensions;  ///< only so many of a vector's first components (Matryoshka)
    std::optional<bool> normalize;       ///< to unit length; unset: as the model's publisher has it
    std::string prompt_name;             ///< which of the model's prompts goes before each text; empty: its default
    /// "query" or "document": the model's prompt for such texts, where it has one and no name is given.
    std::string input_type;
    bool raw_scores = false;  ///< the head's outputs themselves, without sigmoid or softmax
    bool add_special = true;  ///< put the model's special tokens around texts
    /// Cut an input to its first so many tokens, special ones included; -1: to what the model takes. Unset: an input
    /// that is too long is refused.
    std::optional<int32_t> truncate_prompt_tokens;
    int32_t priority = 0;                 ///< higher goes first, -1000..1000
    std::string share_key;                ///< whose fair share it is counted on
    std::optional<uint32_t> deadline_ms;  ///< from its submission to its end; too late: an error
    std::string traceparent;              ///< W3C trace context that the request belongs to; empty: none
};

struct EncodeResult {
    uint64_t width = 0;                   ///< of a row
    std::vector<float> values;            ///< one row an input, in their order
    std::vector<uint32_t> prompt_tokens;  ///< of each input, special ones included, after any cut
    uint64_t truncated_inputs = 0;        ///< inputs that were cut because the request asked for it
    double queue_seconds = 0;             ///< from its arrival to its first step
    double compute_seconds = 0;           ///< from there to its end

    uint64_t tokens() const;  ///< of all inputs
    const float* row(size_t i) const { return values.data() + i * width; }
};

/// The forms in which they travel between front and runner. A request is a JSON object; a result is one line of JSON
/// (all but the values), then the values as little-endian float32: no float is printed or parsed.
std::string to_json(const EncodeRequest& request);
/// kInvalidArgument names the field.
Result<EncodeRequest> encode_request_from_json(std::string_view text);
std::string to_wire(const EncodeResult& result);
/// kDataLoss for anything that to_wire() does not write.
Result<EncodeResult> encode_result_from_wire(std::string_view bytes);

}  // namespace gantry::encoder
