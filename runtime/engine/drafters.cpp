#include "runtime/engine/drafters.hpp"

namespace gantry::engine {

Drafter* Drafters::choose(std::optional<DraftSource> wanted, DraftSource usual, bool predicted) {
    if (!wanted && predicted) {
        return &ngram_;  // whoever sends a prediction wants it used
    }
    switch (wanted.value_or(usual)) {
        case DraftSource::kOff:
            return nullptr;
        case DraftSource::kNgram:
            return &ngram_;
        case DraftSource::kAuto:
            return predicted ? &ngram_ : own_ ? own_.get() : static_cast<Drafter*>(&suffix_);
        case DraftSource::kSuffix:
            return &suffix_;
        case DraftSource::kDraft:
            return own_.get();
    }
    return nullptr;
}

}  // namespace gantry::engine
