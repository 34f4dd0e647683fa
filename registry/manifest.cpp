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

std::string_view encoder_task_name(EncoderInfo::Task task) {
    switch (task) {
        case EncoderInfo::Task::kEmbed:
            return "embed";
        case EncoderInfo::Task::kRerank:
            return "rerank";
        case EncoderInfo::Task::kClassify:
            return "classify";
    }
    return "embed";
}

std::string_view pooling_name(int32_t pooling) {
    switch (pooling) {
        case GANTRY_POOLING_CLS:
            return "cls";
        case GANTRY_POOLING_LAST:
            return "last";
        case GANTRY_POOLING_SCORES:
            return "scores";
        default:
            return "mean";
    }
}

}  // namespace gantry::registry
