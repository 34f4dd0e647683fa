#pragma once

/// A request as OpenTelemetry spans, made when it is over.

#include <chrono>
#include <string>
#include <vector>

#include "api/http/exchange.hpp"
#include "api/http/telemetry.hpp"

namespace gantry::api {

/// The server's span by the semantic conventions for HTTP; where a model generated, below it one by those for
/// generative AI, and below that queue, prefill and decode. `route` is the pattern. A status of 500 and more is an
/// error. The engine tells how long its phases took, not when: they are laid back to back before the answer's end.
std::vector<Span> request_spans(const Exchange& exchange, const std::string& method, const std::string& route,
                                int status, std::chrono::system_clock::time_point begin,
                                std::chrono::system_clock::time_point end);

}  // namespace gantry::api
