#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "runtime/engine/causal_model.hpp"
#include "runtime/engine/drafter.hpp"

namespace gantry::engine {

/// Drafts with a second, smaller model of the same vocabulary: its likeliest token, again and again (arXiv:2211.17192).
/// The model has KV blocks of its own; sequences keep theirs from proposal to proposal, and those that have not been
/// asked about for the longest time lose them when blocks run out. Whatever goes wrong with the draft model, there are
/// only no drafts. Used by the engine thread.
class ModelDrafter final : public Drafter {
  public:
    /// Token ids from `vocab_size` on, which the large model does not have, are not drafted.
    ModelDrafter(std::unique_ptr<CausalModel> model, uint32_t vocab_size);

    void begin(SequenceId id, std::span<const int32_t> hint, std::span<const int32_t> tokens) override;
    void append(SequenceId id, std::span<const int32_t> tokens) override;
    /// A sequence whose text the draft model has not read yet is read first, at most a step's worth in each call.
    void propose(std::span<DraftRequest> requests) override;
    void end(SequenceId id) override;

    bool broken() const { return broken_; }

  private:
    struct Sequence {
        std::vector<int32_t> tokens;  ///< verified
        std::vector<int32_t>
            filled;  ///< tokens whose slots are filled; may differ from `tokens` where a draft was wrong
        std::vector<uint32_t> table;
        uint64_t used = 0;  ///< number of the last proposal
    };
    /// A request that is being worked on: its text is the sequence's tokens and the draft so far.
    struct Job {
        DraftRequest* request = nullptr;
        Sequence* sequence = nullptr;
        uint32_t count = 0;  ///< tokens in the next step
    };
    static int32_t token_at(const Job& job, size_t i);
    static size_t length(const Job& job);
    /// Chooses what each job computes in the next step; drops those for which there is no room.
    void plan(std::vector<Job>& jobs);
    bool make_room(Sequence& sequence, size_t tokens);
    /// Runs the model once for the jobs that have a count. False: it failed.
    bool step(std::vector<Job>& jobs);

    std::unique_ptr<CausalModel> model_;
    uint32_t vocab_size_;
    bool broken_ = false;
    uint64_t proposals_ = 0;
    std::vector<uint32_t> free_;
    std::unordered_map<SequenceId, Sequence> sequences_;
    std::vector<float> logits_;
};

}  // namespace gantry::engine
