#pragma once

#include "base/json.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::dialects::openai {

/// Reads how tokens are drawn: OpenAI's fields and those that vLLM and llama.cpp have beside them, by their names.
/// repeat_penalty is llama.cpp's name of repetition_penalty.
void read_sampling(json::Reader& reader, engine::SamplingParams& sampling);

/// Reads use_beam_search with beam_width (else best_of, else n), length_penalty and early_stopping. After n and best_of
/// have been read.
void read_beams(json::Reader& reader, engine::GenerateRequest& request);

}  // namespace gantry::dialects::openai
