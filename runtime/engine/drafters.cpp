#include "runtime/engine/drafters.hpp"

namespace gantry::engine {

Drafter* Drafters::choose(DraftSource source, bool predicted) {
    switch (source) {
        case DraftSource::kOff:
            return predicted ? &ngram_ : nullptr;
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
