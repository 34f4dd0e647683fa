#pragma once

// Which of a file's tensors a model takes: each must be there with its shape, and none may be left over.

#include <gantry/transformer/checks.hpp>

#include <initializer_list>
#include <set>
#include <string>
#include <vector>

namespace gantry::transformer {

class Planner {
  public:
    Planner(const sdk::Manifest& manifest, const Device& device) : manifest_(manifest), device_(device) {}

    /// Takes a tensor. Throws as plan_tensors does.
    void need(const std::string& name, std::initializer_list<uint64_t> shape, WeightUse use);
    /// Takes a linear weight that is rebuilt while loading.
    void need_rebuilt(const std::string& name, uint64_t out, uint64_t in, Rebuild rebuild);
    /// Allows a tensor that is there for nothing.
    void ignore(const std::string& name);
    /// What was taken, in order; throws where a tensor is left over.
    std::vector<PlannedTensor> finish();

  private:
    void check(const PlannedTensor& t, std::initializer_list<uint64_t> shape) const;

    const sdk::Manifest& manifest_;
    const Device& device_;
    std::set<uint64_t> used_;
    std::vector<PlannedTensor> plan_;
};

}  // namespace gantry::transformer
