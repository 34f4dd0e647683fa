#pragma once

/// What the fleet tells a runner.

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::runner {

struct RunnerSpec {
    std::string uid;
    std::string model_path;
    std::vector<std::string> plugin_dirs;
    std::string engine;                         ///< the plugin's id
    std::string socket;                         ///< path of the Unix socket to serve on
    std::string tool_parser, reasoning_parser;  ///< names, "none", or empty: as the chat template shows
    /// JSON text of an object: variables of the chat template for requests that do not set them; empty: none.
    std::string template_kwargs;
    uint32_t threads = 1;
    uint32_t context = 0;  ///< tokens; 0: as memory allows
    uint32_t max_sequences = 16;
    uint64_t memory_bytes = 0;                      ///< what it may take, all in all; 0: no limit
    std::map<std::string, std::string> options;     ///< for the plugin
    std::map<std::string, std::string> scheduling;  ///< see scheduling.hpp
    std::string speculative;                        ///< DraftSource by name; empty: off
    std::string draft_model_path;                   ///< empty: none
    uint32_t draft_context = 0;                     ///< tokens that the draft model gets KV memory for
    uint64_t draft_memory_bytes = 0;                ///< what it may take beside the model
    uint32_t draft_tokens = 8;                      ///< guessed for one sequence in one step, at most
    std::map<std::string, std::string> adapters;    ///< name -> folder or file, loaded with the model
    std::vector<std::string> adapter_dirs;          ///< where adapters may be loaded from later
    std::string state_dir;                          ///< where saved texts are kept; empty: nowhere
    bool sandbox = true;
    int parent_pid = 0;  ///< whose child it expects to be; 0: anybody's
};

/// Rows of logits that a step of such a model may need: with speculative decoding, guesses beside every answer.
uint32_t logit_rows(uint32_t max_sequences, std::string_view speculative);

boost::json::object to_json(const RunnerSpec& spec);
/// kInvalidArgument names what is missing.
Result<RunnerSpec> spec_from_json(std::string_view line);

}  // namespace gantry::runner
