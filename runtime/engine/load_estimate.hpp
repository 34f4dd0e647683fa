#pragma once

/// How long a newcomer will wait, as the recent past tells: a decaying mean of the last half minute of work.

#include <cstdint>
#include <optional>

namespace gantry::engine {

/// Used by one thread.
class LoadEstimate {
  public:
    struct Step {
        double seconds = 0;
        uint32_t tokens = 0;    ///< computed in it
        bool prefill = false;   ///< some of them were of prompts
        uint32_t admitted = 0;  ///< sequences
        bool backlog = false;   ///< sequences were left waiting
    };
    void add(const Step& step);

    /// Mean time between admissions while others wait; none before one has been seen.
    std::optional<double> seconds_per_admission() const;
    /// Until the first token of a prompt that has so many ahead of it and so many tokens to compute; none where
    /// nothing has been measured yet.
    std::optional<double> first_token_seconds(size_t ahead, size_t prompt_tokens) const;

  private:
    double prefill_seconds_ = 0, prefill_tokens_ = 0;
    double backlog_seconds_ = 0, admissions_ = 0;
    bool backlog_ = false;
};

}  // namespace gantry::engine
