#pragma once

/// The pre-tokenizer names of GGUF files (tokenizer.ggml.pre) and what the publishers' tokenizer.json of those models
/// says in their place.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "runtime/text/tokenizer/pre_tokenizer.hpp"

namespace gantry::text::tok {

struct PreSettings {
    PreTokenizerPtr pre_tokenizer;
    bool nfc = false;            ///< the publisher normalizes to NFC first
    bool ignore_merges = false;  ///< whole words that are tokens skip the merges
    bool add_bos = false;        ///< where the file does not say
    bool add_sep = false;        ///< SEP behind the text, where the file does not say
};

/// kUnimplemented for a name that is not known.
Result<PreSettings> pre_settings(std::string_view name);

}  // namespace gantry::text::tok
