#pragma once

/// Weighted fair sharing between keys (users, tenants), counted in tokens: the virtual token counter of "Fairness in
/// Serving Large Language Models" (arXiv:2401.00588, OSDI 2024).
///
/// Each key has a counter of the tokens computed for it, divided by its weight; a prompt token counts 1, a token of
/// an answer kAnswerWeight. Who is admitted next is the key with the smallest counter. A key that begins to wait is
/// lifted to the smallest counter among those that wait already, so that time spent idle earns no credit.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::engine {

/// What an answer's token costs, in prompt tokens; the paper's choice.
inline constexpr double kAnswerWeight = 2;

/// Used by one thread.
class FairShare {
  public:
    using Key = uint32_t;
    using Weights = std::map<std::string, double, std::less<>>;

    /// Keys that `weights` does not name have weight 1. Weights must be above 0.
    explicit FairShare(Weights weights = {}) : weights_(std::move(weights)) {}

    /// The key of that name, with one more user. Keys in use keep their number.
    Key enter(std::string_view name);
    void enter(Key key) { ++entries_[key].users; }
    /// One user less. A key without users is kept while its counter says more than a newcomer's would.
    void leave(Key key);

    void charge(Key key, double tokens) { entries_[key].counter += tokens / entries_[key].weight; }
    /// The counter becomes at least `floor`.
    void lift(Key key, double floor);
    double counter(Key key) const { return entries_[key].counter; }
    size_t known() const { return by_name_.size(); }

  private:
    struct Entry {
        std::string name;
        double weight = 1;
        double counter = 0;
        uint32_t users = 0;
    };
    /// Idle keys to remember; past it those are dropped that the floor makes equal to newcomers, then all idle ones.
    static constexpr size_t kRemembered = 4096;

    void forget_idle(double at_most);

    Weights weights_;
    double floor_ = 0;  ///< the last one that lift() was called with
    std::vector<Entry> entries_;
    std::vector<Key> unused_;
    std::map<std::string, Key, std::less<>> by_name_;
};

}  // namespace gantry::engine
