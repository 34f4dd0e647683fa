#pragma once

/// The tiny encoders of tests/plugins/encoders (generate_encoders.py), as the registry reads them, and what
/// transformers computes with them.

#include <filesystem>
#include <string>
#include <vector>

#include "registry/manifest.hpp"
#include "tests/sdk/support/plugin.hpp"

namespace gantry::test {

/// One text's tokens.
struct Tokens {
    std::vector<int32_t> ids;
    std::vector<int32_t> types = {};  ///< or empty: all 0
};

struct EncoderCase {
    TestModel model;
    registry::EncoderInfo info;
    std::vector<Tokens> batch;
    Rows hidden;  ///< of every token
    Rows pooled;  ///< one a text
};

/// A manifest's model in memory.
TestModel to_test_model(const registry::ModelManifest& manifest);
/// `batch`, `pooled` and, where it has them, `hidden` of a file that a generator wrote.
EncoderCase read_expected(const std::filesystem::path& file);

/// Folders and GGUF files: "bert", "bert.gguf", ...
std::vector<std::string> encoder_names();
/// Throws std::runtime_error.
EncoderCase read_encoder(const std::string& name);

/// One call of gantry.encoder/1. Throws std::runtime_error with the plugin's message.
Rows encode(const Model& model, const std::vector<Tokens>& batch, int32_t pooling, bool normalize);
/// The same, or why not.
std::optional<Failure> try_encode(const Model& model, const std::vector<Tokens>& batch, int32_t pooling, bool normalize,
                                  Rows& out);

}  // namespace gantry::test
