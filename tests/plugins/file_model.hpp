#pragma once

/// A model file on a plugin of this build, all the way that a launch takes it.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/plugins/plugin.hpp"

namespace gantry::test {

class FileModel {
  public:
    /// In fp32; max_context 0: the file's own. Fails the test where the model cannot be loaded.
    FileModel(const std::filesystem::path& path, const std::string& plugin, uint32_t max_context = 0);

    explicit operator bool() const { return model_ != nullptr; }
    uint32_t vocab() const { return model_->limits().vocab_size; }

    struct Part {
        std::vector<int32_t> tokens;
        uint32_t context = 0;   ///< tokens before
        uint32_t sequence = 0;  ///< 0 to 3: has blocks of its own
    };
    /// One step's logits [tokens of all parts, vocab].
    std::vector<float> run(const std::vector<Part>& parts);
    /// Of tokens that follow `context` earlier ones of the first sequence.
    std::vector<float> step(const std::vector<int32_t>& tokens, uint32_t context) { return run({{tokens, context}}); }
    std::vector<int32_t> greedy(const std::vector<int32_t>& prompt, size_t count);

    Result<uint32_t> load_adapter(const std::filesystem::path& path);
    /// What the following steps are computed with.
    void use_adapter(uint32_t id) { adapter_ = id; }

  private:
    std::unique_ptr<plugins::Backend> backend_;
    std::unique_ptr<engine::CausalModel> model_;
    uint32_t adapter_ = 0;
};

}  // namespace gantry::test
