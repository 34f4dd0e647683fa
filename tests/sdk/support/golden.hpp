#pragma once

/// The tiny models of tests/sdk/transformer/golden and what transformers computes with them (generate_golden.py).

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sdk/support/test_model.hpp"

namespace gantry::test {

struct Golden {
    TestModel model;
    std::vector<int32_t> prompt;
    std::vector<float> logits;  ///< [prompt, vocab]
    std::vector<int32_t> greedy;
    std::vector<float> greedy_logits;  ///< [4, vocab], of the greedy steps below
    static constexpr size_t kKeptSteps[] = {0, 1, 31, 63};
};

/// Names of the models: "llama", ...
std::vector<std::string> golden_names();
Golden read_golden(const std::string& name);

}  // namespace gantry::test
