#pragma once

/// Which experts a step's tokens go to.

#include <gantry/transformer/config.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace gantry::transformer {

/// Chooses on the host from the router's products. Memory is for the most tokens of a step. [engine]
class Router {
  public:
    Router(const ExpertConfig& config, uint32_t max_tokens);

    /// Scores of `tokens` tokens, [tokens, count], to be filled before route().
    std::span<float> products(size_t tokens) { return {products_.data(), tokens * config_.count}; }

    /// Chooses; `bias` is one an expert, or empty.
    void route(size_t tokens, std::span<const float> bias);

    /// The tokens of an expert, ascending, and what their outputs are weighed with.
    std::span<const uint32_t> rows(uint32_t expert) const;
    std::span<const float> factors(uint32_t expert) const;

  private:
    void score(float* products) const;
    void choose(const float* scores, std::span<const float> bias, uint32_t token);
    void keep_best_groups(float* ranked);

    const ExpertConfig& config_;
    std::vector<float> products_;
    std::vector<float> ranked_;     ///< of one token: the scores that choose
    std::vector<float> group_;      ///< of one token: scores of the groups
    std::vector<uint32_t> chosen_;  ///< [tokens, used]
    std::vector<float> weights_;    ///< [tokens, used]
    std::vector<uint32_t> begin_;   ///< [count + 1] of the two below
    std::vector<uint32_t> rows_;    ///< by expert
    std::vector<float> factors_;
};

}  // namespace gantry::transformer
