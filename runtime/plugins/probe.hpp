#pragma once

/// `gantry probe`: asks every plugin what it can do, in a process that is thrown away afterwards, and in a child of it
/// for each plugin, so that a plugin which crashes, hangs or prints spoils nothing but its own answer.
///
/// The answer is one JSON object:
///
///     {"abi": "0.9",
///      "plugins": [{"id", "version", "description", "licence", "folder", "library", "abi_min", "abi_max",
///                   "state": "ok" | "rejected" | "failed", "error"?: {"code","message","hint"?},
///                   "devices": [{"index","kind","name","features","memory_total","memory_free","unified"}],
///                   "why"?: "the reason where there are no devices",
///                   "assess"?: {"score","weights_bytes","mapped_bytes","kv_bytes_per_block","scratch_bytes",
///                               "state_bytes_per_slot","block_size","max_context"} | {"error": {...}}}],
///      "model"?: {"name","format","architecture","quantization","parameter_count","context_length","file_bytes",
///                 "layer_count","chat_template","has_tokenizer"} | {"error": {...}}}

#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/plugins/plugin.hpp"

namespace gantry::plugins {

struct ProbeRequest {
    std::vector<std::filesystem::path> plugin_dirs;
    std::filesystem::path model_path;  ///< empty: devices only
    std::string engine;                ///< only this plugin is asked; empty: all
    uint32_t threads = 1;
    LoadSpec spec;                              ///< what to assess with
    std::chrono::milliseconds timeout{20'000};  ///< for one plugin
};

boost::json::object to_json(const ProbeRequest& request);
Result<ProbeRequest> probe_request_from_json(std::string_view text);

/// Does it. Forks: the caller must have one thread only.
boost::json::object probe(const ProbeRequest& request);

/// The process: reads a request (JSON, to its end) from `in_fd`, an empty one being refused, and writes the answer and
/// a line end to `out_fd`. Returns the exit code.
int run_probe(int in_fd, int out_fd);

}  // namespace gantry::plugins
