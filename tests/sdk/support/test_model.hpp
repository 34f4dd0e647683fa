#pragma once

/// A model in memory, in the canonical vocabulary, that a test can change before a plugin sees it.

#include <gantry/host.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gantry::test {

using Hyper = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>>;

struct TestTensor {
    std::string name;
    int32_t dtype = GANTRY_DTYPE_F32;
    std::vector<uint64_t> shape;
    std::vector<char> data;
};

struct TestModel {
    std::string architecture;
    std::map<std::string, Hyper, std::less<>> hyper;
    std::vector<TestTensor> tensors;

    /// Throws std::out_of_range where there is none.
    TestTensor& tensor(std::string_view name);
    const TestTensor& tensor(std::string_view name) const;
    int64_t integer(std::string_view key) const { return std::get<int64_t>(hyper.find(key)->second); }
    /// The tensor decoded.
    std::vector<float> values(std::string_view name) const;
    /// The same model with every tensor decoded to F32.
    TestModel as_f32() const;
};

/// The model as the host shows it to a plugin; the model outlives it.
class TestManifest {
  public:
    /// with_data: as during load; else data is NULL, as during assess.
    TestManifest(const TestModel& model, bool with_data);
    TestManifest(const TestManifest&) = delete;
    TestManifest& operator=(const TestManifest&) = delete;
    const gantry_manifest_t* get() const { return &abi_; }

  private:
    static const TestModel& model_of(const gantry_manifest_t* self);

    const TestModel& model_;
    bool with_data_;
    gantry_manifest_t abi_{};
};

}  // namespace gantry::test
