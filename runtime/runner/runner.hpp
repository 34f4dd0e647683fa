#pragma once

/// The process around one engine: loads one model on one plugin and serves it over HTTP on a Unix socket.
///
///     POST /generate, /chat   a GenerateRequest as JSON; the answer is NDJSON, one event a line. Closing the
///     connection
///                             cancels. Errors before the first event have a status and the error body.
///     POST /encode            an EncodeRequest as JSON; the answer is application/x-gantry-rows: a line of JSON, then
///                             float32 (runtime/encoder/types.hpp). Models that encode have this instead of /generate
///                             and /chat.
///     POST /tokenize          {"text", "add_special"?, "parse_special"?} -> {"ids", "tokens"}
///     POST /detokenize        {"ids", "skip_special"?} -> {"text", "tokens"}
///     POST /template          {"messages", "tools"?, "add_generation_prompt"?, "template"?, "now"?, variables...}
///                             -> {"prompt"}; `template` is used instead of the model's own
///     GET  /health            200 {"status": "ok"}, 503 {"status": "loading"}
///     GET  /stats             the engine's counters, the plugin's metrics
///
/// While it loads, and when it fails, it tells so on `status_fd`, one JSON object a line:
///
///     {"stage": "map", "done": 1048576, "total": 4194304}
///     {"ready": {"name", "architecture", "format", "quantization", "parameter_count", "plan", "abilities",
///                "chat_template", "limits": {...}, "memory": {...}}}
///     {"error": {"code", "message", "hint"?}}

namespace gantry::runner {

/// File descriptors at which the fleet hands them to `gantry runner`.
constexpr int kSpecFd = 3;
constexpr int kStatusFd = 4;

/// Reads its RunnerSpec (runtime/runner/spec.hpp) as one JSON line from `spec_fd`, a pipe whose other end the fleet
/// holds as long as it lives: at its end this process is gone at once. Returns the exit code: 0 after SIGTERM, 1 when
/// loading failed (told on `status_fd`), 2 when the model became unusable. Call it from main, with no other thread
/// running.
int run_runner(int spec_fd, int status_fd);

}  // namespace gantry::runner
