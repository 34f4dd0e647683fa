#include "runtime/plugins/manifest_adapter.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/plugins/abi_convert.hpp"

namespace gantry::plugins {

template <class T>
const T* ManifestAdapter::get(const gantry_manifest_t* m, const char* key) {
    const auto& hyper = self(m).manifest_->hyper;
    const auto found = key == nullptr ? hyper.end() : hyper.find(std::string_view(key));
    return found == hyper.end() ? nullptr : std::get_if<T>(&found->second);
}

ManifestAdapter::ManifestAdapter(std::shared_ptr<const registry::ModelManifest> manifest, Data data)
    : manifest_(std::move(manifest)), data_(data), table_{} {
    by_name_.reserve(manifest_->tensors.size());
    for (uint64_t i = 0; i < manifest_->tensors.size(); ++i) {
        by_name_.emplace(manifest_->tensors[i].name, i);
    }
    table_.struct_size = GANTRY_SIZE(gantry_manifest_t, tensor_done);
    table_.ctx = this;
    table_.architecture = to_abi(manifest_->architecture);
    table_.get_int = [](const gantry_manifest_t* m, const char* key, int64_t* out) -> int32_t {
        const auto* value = get<int64_t>(m, key);
        return value != nullptr ? (*out = *value, 1) : 0;
    };
    table_.get_float = [](const gantry_manifest_t* m, const char* key, double* out) -> int32_t {
        const auto* value = get<double>(m, key);
        return value != nullptr ? (*out = *value, 1) : 0;
    };
    table_.get_bool = [](const gantry_manifest_t* m, const char* key, int32_t* out) -> int32_t {
        const auto* value = get<bool>(m, key);
        return value != nullptr ? (*out = *value ? 1 : 0, 1) : 0;
    };
    table_.get_string = [](const gantry_manifest_t* m, const char* key, gantry_str_t* out) -> int32_t {
        const auto* value = get<std::string>(m, key);
        return value != nullptr ? (*out = to_abi(*value), 1) : 0;
    };
    table_.get_float_array = [](const gantry_manifest_t* m, const char* key, const double** out,
                                uint64_t* count) -> int32_t {
        const auto* value = get<std::vector<double>>(m, key);
        return value != nullptr ? (*out = value->data(), *count = value->size(), 1) : 0;
    };
    table_.get_int_array = [](const gantry_manifest_t* m, const char* key, const int64_t** out,
                              uint64_t* count) -> int32_t {
        const auto* value = get<std::vector<int64_t>>(m, key);
        return value != nullptr ? (*out = value->data(), *count = value->size(), 1) : 0;
    };
    table_.tensor_count = manifest_->tensors.size();
    table_.tensor_name = &ManifestAdapter::tensor_name;
    table_.find_tensor = &ManifestAdapter::find_tensor;
    table_.tensor = &ManifestAdapter::tensor;
    table_.tensor_done = &ManifestAdapter::tensor_done;
}

gantry_str_t ManifestAdapter::tensor_name(const gantry_manifest_t* m, uint64_t index) {
    const auto& tensors = self(m).manifest_->tensors;
    return index < tensors.size() ? to_abi(tensors[index].name) : gantry_str_t{nullptr, 0};
}

int64_t ManifestAdapter::find_tensor(const gantry_manifest_t* m, gantry_str_t name) {
    const auto& by_name = self(m).by_name_;
    const auto found = by_name.find(from_abi(name));
    return found == by_name.end() ? -1 : static_cast<int64_t>(found->second);
}

gantry_error_t* ManifestAdapter::tensor(const gantry_manifest_t* m, uint64_t index, gantry_tensor_view_t* out) {
    const ManifestAdapter& adapter = self(m);
    const auto& tensors = adapter.manifest_->tensors;
    if (index >= tensors.size()) {
        return make_abi_error({Code::kInvalidArgument, "the model has no tensor number " + std::to_string(index)});
    }
    const registry::TensorEntry& entry = tensors[index];
    if (entry.shape.size() > GANTRY_MAX_RANK) {
        return make_abi_error({Code::kUnimplemented, "tensor '" + entry.name + "' has more than 8 dimensions"});
    }
    gantry_tensor_view_t view{};
    view.struct_size = std::min(out->struct_size, GANTRY_SIZE(gantry_tensor_view_t, data));
    view.dtype = entry.dtype;
    view.rank = static_cast<uint32_t>(entry.shape.size());
    std::copy(entry.shape.begin(), entry.shape.end(), view.shape);
    view.nbytes = entry.nbytes;
    view.data = adapter.data_ == Data::kMapped ? adapter.manifest_->data(entry).data() : nullptr;
    // An older plugin knows a shorter struct: only what it has room for is written.
    std::memcpy(out, &view, view.struct_size);
    return nullptr;
}

void ManifestAdapter::tensor_done(const gantry_manifest_t* m, uint64_t index) {
    const ManifestAdapter& adapter = self(m);
    const auto& manifest = *adapter.manifest_;
    if (adapter.data_ != Data::kMapped || index >= manifest.tensors.size()) {
        return;
    }
    const registry::TensorEntry& entry = manifest.tensors[index];
    // Whole pages of this tensor only: its neighbours may still be wanted.
    const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t begin = (entry.offset + page - 1) / page * page;
    const uint64_t end = (entry.offset + entry.nbytes) / page * page;
    if (begin < end) {
        manifest.files[entry.file]->dont_need(begin, end - begin);
    }
}

}  // namespace gantry::plugins
