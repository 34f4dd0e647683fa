#pragma once

/// What a host must know of a model that turns texts into vectors or scores, beside its weights: read from the
/// sentence-transformers files of a folder (modules.json, 1_Pooling/config.json, config_sentence_transformers.json,
/// sentence_bert_config.json), from config.json, or from GGUF keys.

#include <gantry/ext/encoder.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::registry {

struct EncoderInfo {
    enum class Task {
        kEmbed,    ///< a vector for a text
        kRerank,   ///< one score for a pair of texts
        kClassify  ///< one score for each label
    };
    /// What a row of GANTRY_POOLING_SCORES has to go through to be a score.
    enum class Activation { kNone, kSigmoid, kSoftmax };

    Task task = Task::kEmbed;
    int32_t pooling = GANTRY_POOLING_MEAN;  ///< GANTRY_POOLING_CLS, MEAN, LAST or SCORES
    bool normalize = false;                 ///< vectors to unit length
    uint32_t max_tokens = 0;                ///< of one text or pair, special tokens included
    uint32_t width = 0;                     ///< of a vector or of a row of scores
    /// Widths that the vectors may be cut to (Matryoshka, arXiv:2205.13147), as far as the files say; `width` among
    /// them. Empty: they do not say.
    std::vector<uint32_t> dimensions;
    std::string similarity = "cosine";           ///< "cosine", "dot", "euclidean" or "manhattan"
    std::map<std::string, std::string> prompts;  ///< by name ("query", "document"), put before a text
    std::string default_prompt_name;             ///< empty: none
    std::vector<std::string> labels;             ///< of the scores, in order; empty for embedders
    Activation activation = Activation::kNone;   ///< of the scores
    /// Rerankers that are language models: the question that is put to them, with {instruction}, {query} and
    /// {document} to be replaced. Empty: query and document are encoded as a pair.
    std::string pair_template;
    std::string default_instruction;

    uint32_t num_labels() const { return static_cast<uint32_t>(labels.size()); }
};

/// "embed", "rerank", "classify": the ability that a host lists.
std::string_view encoder_task_name(EncoderInfo::Task task);
/// "cls", "mean", "last", "scores".
std::string_view pooling_name(int32_t pooling);

}  // namespace gantry::registry
