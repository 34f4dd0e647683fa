#pragma once

/// What `gantry show` prints and `GET /v1/models/{id}/description` builds on.

#include <boost/json.hpp>

#include "registry/manifest.hpp"

namespace gantry::registry {

struct DescribeOptions {
    bool tensors = false;    ///< list every tensor, not only the counts by type
    bool templates = false;  ///< the chat templates' text, not only their names
};

/// Everything that is known of a model, valid UTF-8 throughout: name, format, architecture, quantization,
/// parameter_count, weight_bytes, context_length, hyper{}, files[], tensors{}, tokenizer{}, chat_templates{},
/// generation{}.
boost::json::object describe(const ModelManifest& manifest, DescribeOptions options = {});

}  // namespace gantry::registry
