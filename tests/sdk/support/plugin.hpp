#pragma once

/// A plugin through its C entry, as a host uses it.

#include <gantry/backend.h>
#include <gantry/ext/causal_lm.h>
#include <gantry/ext/encoder.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sdk/support/test_model.hpp"

namespace gantry::test {

/// An ABI error, taken over.
struct Failure {
    int32_t code = 0;
    std::string message, hint;
};
/// Destroys the error; nothing for NULL.
std::optional<Failure> take(gantry_error_t* error);

/// A host that logs nowhere and allows two threads.
class TestHost {
  public:
    TestHost();
    const gantry_host_t* get() const { return &abi_; }

  private:
    gantry_host_t abi_{};
};

struct LoadArgs {
    uint32_t block_size = 8;
    uint64_t block_count = 64;
    uint32_t max_step_tokens = 128;
    uint32_t max_sequences = 16;
    uint32_t max_logit_rows = 128;
    uint32_t max_context = 0;
    std::vector<uint32_t> devices;
    std::map<std::string, std::string> options = {{"kv_dtype", "f32"}};
    gantry_progress_t progress{};
};

class Plugin;

/// A loaded model; the plugin and the TestModel outlive it.
class Model {
  public:
    Model(gantry_model_t* model, std::unique_ptr<TestManifest> manifest);
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;
    ~Model();

    gantry_model_t* get() const { return model_; }
    /// Of models that have it; a loaded model has one of the two.
    const gantry_causal_lm_t& lm() const { return *lm_; }
    const gantry_encoder_t& encoder() const { return *encoder_; }
    gantry_model_info_t info() const;

  private:
    gantry_model_t* model_;
    std::unique_ptr<TestManifest> manifest_;
    const gantry_causal_lm_t* lm_;
    const gantry_encoder_t* encoder_;
};

class Plugin {
  public:
    /// dlopens and calls the entry with the current ABI. Throws std::runtime_error.
    explicit Plugin(const std::filesystem::path& library);
    Plugin(const Plugin&) = delete;
    Plugin& operator=(const Plugin&) = delete;
    ~Plugin();

    gantry_backend_entry_fn entry() const { return entry_; }
    gantry_backend_t* backend() const { return backend_; }
    std::string id() const;

    /// The model, or why not.
    std::optional<Failure> load(const TestModel& model, const LoadArgs& args, std::unique_ptr<Model>& out) const;
    /// The model; throws std::runtime_error with the plugin's message.
    std::unique_ptr<Model> load(const TestModel& model, const LoadArgs& args = {}) const;
    std::optional<Failure> assess(const TestModel& model, const LoadArgs& args, gantry_assessment_t& out) const;

  private:
    TestHost host_;
    gantry_backend_entry_fn entry_ = nullptr;
    gantry_backend_t* backend_ = nullptr;
};

/// The library of one of this build's plugins; may not exist.
std::filesystem::path built_plugin(const std::string& id);

/// One sequence's part of a step.
struct Part {
    std::vector<int32_t> tokens;
    uint32_t context = 0;
    std::vector<uint32_t> blocks;
    std::vector<int32_t> tree = {};        ///< parents, or empty
    std::vector<uint32_t> positions = {};  ///< or empty: the slots
    bool last_row_only = false;            ///< logits of the last token, else of all
    uint32_t adapter = 0;                  ///< id of gantry.adapter/1; 0: none
};

using Rows = std::vector<std::vector<float>>;  ///< [row][vocab]

/// Runs one step and returns each part's rows. Throws std::runtime_error with the plugin's message.
std::vector<Rows> run(const Model& model, const std::vector<Part>& parts, uint32_t flags = 0);
/// The rows of a step with one part.
Rows run(const Model& model, const Part& part);

/// Block numbers first, first+1, ...
std::vector<uint32_t> blocks_from(uint32_t first, uint32_t count);
int32_t argmax(const std::vector<float>& row);
/// Greatest absolute difference; infinity where sizes differ or a value is not finite.
float difference(const std::vector<float>& a, const std::vector<float>& b);
float difference(const Rows& a, const Rows& b);

}  // namespace gantry::test
