#include "tests/sdk/support/test_model.hpp"

#include <algorithm>
#include <gantry/cpp/error.hpp>
#include <gantry/transformer/dequantize.hpp>
#include <stdexcept>

namespace gantry::test {
namespace {

template <class Model>
auto& find(Model& model, std::string_view name) {
    const auto it =
        std::find_if(model.tensors.begin(), model.tensors.end(), [name](const auto& t) { return t.name == name; });
    if (it == model.tensors.end()) throw std::out_of_range(std::string(name));
    return *it;
}

uint64_t elements(const TestTensor& t) {
    uint64_t n = 1;
    for (const uint64_t d : t.shape) n *= d;
    return n;
}

std::vector<float> decode(const TestTensor& t) {
    std::vector<float> out(elements(t));
    transformer::dequantize(t.dtype, t.data.data(), out.data(), out.size());
    return out;
}

/// The value of a key, if it is there with that type.
template <class T>
const T* value(const TestModel& model, const char* key) {
    const auto it = model.hyper.find(std::string_view(key));
    return it == model.hyper.end() ? nullptr : std::get_if<T>(&it->second);
}

template <class T>
int32_t array(const TestModel& model, const char* key, const T** out, uint64_t* count) {
    const auto* v = value<std::vector<T>>(model, key);
    if (v == nullptr) return 0;
    *out = v->data();
    *count = v->size();
    return 1;
}

}  // namespace

TestTensor& TestModel::tensor(std::string_view name) { return find(*this, name); }
const TestTensor& TestModel::tensor(std::string_view name) const { return find(*this, name); }
std::vector<float> TestModel::values(std::string_view name) const { return decode(tensor(name)); }

TestModel TestModel::as_f32() const {
    TestModel out = *this;
    for (TestTensor& t : out.tensors) {
        const std::vector<float> values = decode(t);
        const auto* bytes = reinterpret_cast<const char*>(values.data());
        t.dtype = GANTRY_DTYPE_F32;
        t.data.assign(bytes, bytes + values.size() * sizeof(float));
    }
    return out;
}

const TestModel& TestManifest::model_of(const gantry_manifest_t* self) {
    return static_cast<const TestManifest*>(self->ctx)->model_;
}

TestManifest::TestManifest(const TestModel& model, bool with_data) : model_(model), with_data_(with_data) {
    using Self = const gantry_manifest_t*;
    abi_.struct_size = GANTRY_SIZE(gantry_manifest_t, tensor_done);
    abi_.ctx = this;
    abi_.architecture = sdk::to_abi(model.architecture);
    abi_.get_int = [](Self self, const char* key, int64_t* out) -> int32_t {
        const auto* v = value<int64_t>(model_of(self), key);
        return v == nullptr ? 0 : (*out = *v, 1);
    };
    abi_.get_float = [](Self self, const char* key, double* out) -> int32_t {
        const auto* v = value<double>(model_of(self), key);
        return v == nullptr ? 0 : (*out = *v, 1);
    };
    abi_.get_bool = [](Self self, const char* key, int32_t* out) -> int32_t {
        const auto* v = value<bool>(model_of(self), key);
        return v == nullptr ? 0 : (*out = *v ? 1 : 0, 1);
    };
    abi_.get_string = [](Self self, const char* key, gantry_str_t* out) -> int32_t {
        const auto* v = value<std::string>(model_of(self), key);
        return v == nullptr ? 0 : (*out = sdk::to_abi(*v), 1);
    };
    abi_.get_float_array = [](Self self, const char* key, const double** out, uint64_t* count) {
        return array(model_of(self), key, out, count);
    };
    abi_.get_int_array = [](Self self, const char* key, const int64_t** out, uint64_t* count) {
        return array(model_of(self), key, out, count);
    };
    abi_.tensor_count = model.tensors.size();
    abi_.tensor_name = [](Self self, uint64_t index) { return sdk::to_abi(model_of(self).tensors[index].name); };
    abi_.find_tensor = [](Self self, gantry_str_t name) -> int64_t {
        const auto& tensors = model_of(self).tensors;
        for (size_t i = 0; i < tensors.size(); ++i) {
            if (tensors[i].name == sdk::from_abi(name)) return static_cast<int64_t>(i);
        }
        return -1;
    };
    abi_.tensor = [](Self self, uint64_t index, gantry_tensor_view_t* out) -> gantry_error_t* {
        const auto& t = model_of(self).tensors[index];
        out->struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
        out->dtype = t.dtype;
        out->rank = static_cast<uint32_t>(t.shape.size());
        std::copy(t.shape.begin(), t.shape.end(), out->shape);
        out->nbytes = t.data.size();
        out->data = static_cast<const TestManifest*>(self->ctx)->with_data_ ? t.data.data() : nullptr;
        return nullptr;
    };
    abi_.tensor_done = [](Self, uint64_t) {};
}

}  // namespace gantry::test
