#pragma once

/// What every backend must satisfy, through its C entry alone. A test gets the plugin's library as its parameter.
/// Tolerances are a table by plugin and weight type, in conformance_test.cpp.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/sdk/support/golden.hpp"
#include "tests/sdk/support/plugin.hpp"
#include "tests/sdk/support/random_model.hpp"

namespace gantry::test {

class Conformance : public testing::TestWithParam<std::filesystem::path> {
  protected:
    Conformance() : plugin_(GetParam()) {}

    const Plugin& plugin() const { return plugin_; }
    bool has(const Model& model, uint32_t feature) const { return (model.lm().features & feature) != 0; }

    /// Greatest difference of a logit from the oracle that is still right, for logits of magnitude 10.
    float tolerance(int32_t dtype) const;

    /// Greatest difference between two ways to the same result on this plugin (fp32 weights).
    float own_tolerance() const { return tolerance(GANTRY_DTYPE_F32); }

  private:
    Plugin plugin_;
};

/// Plugins under test.
std::vector<std::filesystem::path> conformance_plugins();
/// "reference"
std::string plugin_name(const testing::TestParamInfo<std::filesystem::path>& info);

}  // namespace gantry::test
