#pragma once

/// Typed reading of a gantry_manifest_t: every failure is a gantry::sdk::Error that names the key or tensor.

#include <gantry/host.h>
#include <gantry/cpp/error.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gantry::sdk {

/// Borrows the manifest; valid as long as it. [main]
class Manifest {
  public:
    explicit Manifest(const gantry_manifest_t* manifest) : abi_(manifest) {
        if (manifest == nullptr) throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the manifest is NULL");
        if (manifest->struct_size < GANTRY_SIZE(gantry_manifest_t, tensor_done)) {
            throw Error(GANTRY_ERR_INVALID_ARGUMENT,
                        "the manifest has " + std::to_string(manifest->struct_size) + " bytes, at least " +
                            std::to_string(GANTRY_SIZE(gantry_manifest_t, tensor_done)) + " expected");
        }
    }

    std::string_view architecture() const { return from_abi(abi_->architecture); }

    // --- hyperparameters: find_* give nothing where the key is absent, get_* throw (GANTRY_ERR_NOT_FOUND). Both throw
    // INVALID_ARGUMENT where the key has another type. ------------------------------------------------------

    std::optional<int64_t> find_int(const char* key) const {
        int64_t value = 0;
        if (abi_->get_int(abi_, key, &value) != 0) return value;
        return nothing(key, "an integer");
    }
    /// An integer counts as a float: files write rope.theta as 10000 as well as 10000.0.
    std::optional<double> find_float(const char* key) const {
        double value = 0;
        if (abi_->get_float(abi_, key, &value) != 0) return value;
        int64_t integer = 0;
        if (abi_->get_int(abi_, key, &integer) != 0) return static_cast<double>(integer);
        return nothing(key, "a number");
    }
    std::optional<bool> find_bool(const char* key) const {
        int32_t value = 0;
        if (abi_->get_bool(abi_, key, &value) != 0) return value != 0;
        return nothing(key, "true or false");
    }
    std::optional<std::string_view> find_string(const char* key) const {
        gantry_str_t value{};
        if (abi_->get_string(abi_, key, &value) != 0) return from_abi(value);
        return nothing(key, "a string");
    }
    /// Borrowed from the manifest.
    std::optional<std::span<const int64_t>> find_int_array(const char* key) const {
        const int64_t* data = nullptr;
        uint64_t count = 0;
        if (abi_->get_int_array(abi_, key, &data, &count) != 0) return std::span(data, static_cast<size_t>(count));
        return nothing(key, "an array of integers");
    }
    /// Borrowed from the manifest.
    std::optional<std::span<const double>> find_float_array(const char* key) const {
        const double* data = nullptr;
        uint64_t count = 0;
        if (abi_->get_float_array(abi_, key, &data, &count) != 0) return std::span(data, static_cast<size_t>(count));
        return nothing(key, "an array of numbers");
    }

    int64_t get_int(const char* key) const { return required(find_int(key), key); }
    double get_float(const char* key) const { return required(find_float(key), key); }
    bool get_bool(const char* key) const { return required(find_bool(key), key); }
    std::string_view get_string(const char* key) const { return required(find_string(key), key); }

    /// get_int within [min, max]; INVALID_ARGUMENT names the key, the value and the range.
    int64_t get_int(const char* key, int64_t min, int64_t max) const { return ranged(get_int(key), key, min, max); }
    std::optional<int64_t> find_int(const char* key, int64_t min, int64_t max) const {
        const auto value = find_int(key);
        return value ? std::optional(ranged(*value, key, min, max)) : std::nullopt;
    }

    // --- tensors -------------------------------------------------------------------------------------------

    uint64_t tensor_count() const { return abi_->tensor_count; }
    std::string_view tensor_name(uint64_t index) const { return from_abi(abi_->tensor_name(abi_, index)); }

    std::optional<uint64_t> find_tensor(std::string_view name) const {
        const int64_t index = abi_->find_tensor(abi_, to_abi(name));
        return index < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(index));
    }

    /// Shape, type and, during load, data. Rethrows the host's error with the tensor's name in front.
    gantry_tensor_view_t tensor(uint64_t index) const {
        gantry_tensor_view_t view{};
        view.struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
        if (gantry_error_t* error = abi_->tensor(abi_, index, &view)) {
            Error copy(error->code,
                       "tensor '" + std::string(tensor_name(index)) + "': " + std::string(from_abi(error->message)),
                       std::string(from_abi(error->hint)));
            error->destroy(error);
            throw copy;
        }
        return view;
    }

    /// Tells the host that the tensor was copied and will not be read again.
    void tensor_done(uint64_t index) const { abi_->tensor_done(abi_, index); }

  private:
    /// Absent is fine; present with another type is not.
    std::nullopt_t nothing(const char* key, const char* wanted) const {
        int64_t i = 0;
        double d = 0;
        int32_t b = 0;
        gantry_str_t s{};
        const double* dp = nullptr;
        const int64_t* ip = nullptr;
        uint64_t n = 0;
        const char* found = abi_->get_int(abi_, key, &i) != 0                ? "an integer"
                            : abi_->get_float(abi_, key, &d) != 0            ? "a float"
                            : abi_->get_bool(abi_, key, &b) != 0             ? "a boolean"
                            : abi_->get_string(abi_, key, &s) != 0           ? "a string"
                            : abi_->get_float_array(abi_, key, &dp, &n) != 0 ? "an array of floats"
                            : abi_->get_int_array(abi_, key, &ip, &n) != 0   ? "an array of integers"
                                                                             : nullptr;
        if (found != nullptr) {
            throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the model's hyperparameter '" + std::string(key) + "' is " +
                                                         found + ", " + wanted + " expected");
        }
        return std::nullopt;
    }

    template <class T>
    static T required(std::optional<T> value, const char* key) {
        if (!value) {
            throw Error(GANTRY_ERR_NOT_FOUND, "the model has no hyperparameter '" + std::string(key) + "'",
                        "the file's configuration may be incomplete");
        }
        return *value;
    }

    static int64_t ranged(int64_t value, const char* key, int64_t min, int64_t max) {
        if (value < min || value > max) {
            throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the model's hyperparameter '" + std::string(key) + "' is " +
                                                         std::to_string(value) + ", " + std::to_string(min) + " to " +
                                                         std::to_string(max) + " expected");
        }
        return value;
    }

    const gantry_manifest_t* abi_;
};

}  // namespace gantry::sdk
