#include "api/dialects/responses/store.hpp"

#include <iterator>
#include <utility>

namespace gantry::dialects::responses {

namespace bj = boost::json;

void Store::erase(Entries::iterator entry) {
    bytes_ -= entry->bytes;
    by_id_.erase(entry->id);
    entries_.erase(entry);
}

void Store::put(const std::string& id, Stored stored) {
    const size_t bytes = bj::serialize(stored.response).size() + bj::serialize(stored.input).size() +
                         bj::serialize(stored.conversation).size();
    (void)remove(id);
    if (bytes > limits_.bytes || limits_.responses == 0) {
        return;
    }
    while (entries_.size() >= limits_.responses || bytes_ + bytes > limits_.bytes) {
        erase(std::prev(entries_.end()));
    }
    entries_.push_front({id, std::move(stored), bytes});
    by_id_[id] = entries_.begin();
    bytes_ += bytes;
}

const Stored* Store::find(std::string_view id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) {
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->stored;
}

bool Store::remove(std::string_view id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) {
        return false;
    }
    erase(found->second);
    return true;
}

}  // namespace gantry::dialects::responses
