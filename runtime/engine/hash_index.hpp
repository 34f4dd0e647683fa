#pragma once

/// From a 64-bit hash to a block: open addressing with linear probing, at most half full, so that a look-up is one or
/// two neighbouring reads. (A prompt of 8,000 tokens makes 500 of them.)

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace gantry::engine {

/// Used by one thread.
class HashIndex {
  public:
    explicit HashIndex(uint32_t most_entries) : slots_(std::bit_ceil(size_t{most_entries} * 2 + 2)) {}

    std::optional<uint32_t> find(uint64_t hash) const {
        for (size_t i = home(hash); slots_[i].value != kNone; i = next(i)) {
            if (slots_[i].hash == hash) {
                return slots_[i].value;
            }
        }
        return std::nullopt;
    }

    /// False, and nothing done, where the hash is taken.
    bool insert(uint64_t hash, uint32_t value) {
        size_t i = home(hash);
        for (; slots_[i].value != kNone; i = next(i)) {
            if (slots_[i].hash == hash) {
                return false;
            }
        }
        slots_[i] = {hash, value};
        ++size_;
        return true;
    }

    /// The hash must be there.
    void erase(uint64_t hash) {
        size_t hole = home(hash);
        while (slots_[hole].hash != hash || slots_[hole].value == kNone) {
            hole = next(hole);
        }
        // Moves back what had to give way, so that no search ends early.
        for (size_t i = next(hole); slots_[i].value != kNone; i = next(i)) {
            const size_t wish = home(slots_[i].hash);
            const bool reachable = hole <= i ? wish > hole && wish <= i : wish > hole || wish <= i;
            if (!reachable) {
                slots_[hole] = slots_[i];
                hole = i;
            }
        }
        slots_[hole] = {};
        --size_;
    }

    size_t size() const { return size_; }

  private:
    static constexpr uint32_t kNone = UINT32_MAX;
    struct Slot {
        uint64_t hash = 0;
        uint32_t value = kNone;
    };
    size_t home(uint64_t hash) const { return static_cast<size_t>(hash) & (slots_.size() - 1); }
    size_t next(size_t i) const { return (i + 1) & (slots_.size() - 1); }

    std::vector<Slot> slots_;
    size_t size_ = 0;
};

}  // namespace gantry::engine
