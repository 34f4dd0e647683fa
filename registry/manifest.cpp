#include "registry/manifest.hpp"

#include <algorithm>

namespace gantry::registry {

std::span<const std::byte> ModelManifest::data(const TensorEntry& t) const {
    return files.at(t.file)->bytes().subspan(t.offset, t.nbytes);
}

const TensorEntry* ModelManifest::find(std::string_view tensor_name) const {
    const auto it = std::ranges::find(tensors, tensor_name, &TensorEntry::name);
    return it == tensors.end() ? nullptr : &*it;
}

uint64_t ModelManifest::weight_bytes() const {
    uint64_t sum = 0;
    for (const auto& t : tensors) {
        sum += t.nbytes;
    }
    return sum;
}

}  // namespace gantry::registry
