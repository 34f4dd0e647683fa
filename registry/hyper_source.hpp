#pragma once

/// One way to ask for hyperparameters, whatever file they are in: GGUF keys or a config.json.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "registry/formats/gguf.hpp"
#include "registry/formats/json_file.hpp"

namespace gantry::registry {

/// Every getter gives nullopt where the key is absent (or null) and kDataLoss, naming file, key and byte offset, where
/// the value has the wrong type.
class HyperSource {
  public:
    virtual ~HyperSource() = default;
    /// A list whose elements are all equal counts as that one value; other lists are kUnimplemented.
    virtual Result<std::optional<int64_t>> integer(std::string_view key) const = 0;
    /// Finite.
    virtual Result<std::optional<double>> number(std::string_view key) const = 0;
    virtual Result<std::optional<bool>> flag(std::string_view key) const = 0;
    virtual Result<std::optional<std::string>> text(std::string_view key) const = 0;
    virtual Result<std::vector<std::string>> texts(std::string_view key) const = 0;
    /// Finite numbers; empty where the key is absent.
    virtual Result<std::vector<double>> numbers(std::string_view key) const = 0;
    virtual Error fault(std::string_view key, std::string_view problem, Code code = Code::kDataLoss,
                        std::string_view hint = {}) const = 0;
};

/// `{arch}` keys of a GGUF file: key "block_count" is "llama.block_count" in the file.
class GgufHyper final : public HyperSource {
  public:
    /// `file` must outlive this.
    GgufHyper(const GgufFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

    Result<std::optional<int64_t>> integer(std::string_view key) const override;
    Result<std::optional<double>> number(std::string_view key) const override;
    Result<std::optional<bool>> flag(std::string_view key) const override;
    Result<std::optional<std::string>> text(std::string_view key) const override;
    Result<std::vector<std::string>> texts(std::string_view key) const override;
    Result<std::vector<double>> numbers(std::string_view key) const override;
    Error fault(std::string_view key, std::string_view problem, Code code = Code::kDataLoss,
                std::string_view hint = {}) const override;

  private:
    const GgufValue* find(std::string_view key) const { return file_.find(prefix_ + std::string(key)); }

    const GgufFile& file_;
    std::string prefix_;
};

/// Keys of a config.json. A key "rope.NAME" is looked up as NAME in `rope_parameters` (transformers 5), then in
/// `rope_scaling`, then at the top (`rope_theta`, `partial_rotary_factor`); "rope.TYPE.NAME" in what those say of one
/// type of layers.
class ConfigHyper final : public HyperSource {
  public:
    /// `config` must outlive this.
    explicit ConfigHyper(const JsonFile& config) : config_(config) {}

    Result<std::optional<int64_t>> integer(std::string_view key) const override;
    Result<std::optional<double>> number(std::string_view key) const override;
    Result<std::optional<bool>> flag(std::string_view key) const override;
    Result<std::optional<std::string>> text(std::string_view key) const override;
    Result<std::vector<std::string>> texts(std::string_view key) const override;
    Result<std::vector<double>> numbers(std::string_view key) const override;
    Error fault(std::string_view key, std::string_view problem, Code code = Code::kDataLoss,
                std::string_view hint = {}) const override;

  private:
    const boost::json::value* find(std::string_view key) const;

    const JsonFile& config_;
};

}  // namespace gantry::registry
