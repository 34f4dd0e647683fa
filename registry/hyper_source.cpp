#include "registry/hyper_source.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

constexpr std::string_view kRopePrefix = "rope.";

template <class T>
const T* as(const GgufValue* value) {
    return value == nullptr ? nullptr : std::get_if<T>(&value->value);
}

std::optional<int64_t> json_integer(const boost::json::value& value) {
    if (value.is_int64()) {
        return value.get_int64();
    }
    // Some writers store whole numbers as floats (1e4).
    constexpr double kExact = 9007199254740992.0;
    if (value.is_double() && std::abs(value.get_double()) <= kExact &&
        std::trunc(value.get_double()) == value.get_double()) {
        return static_cast<int64_t>(value.get_double());
    }
    return std::nullopt;
}

}  // namespace

Result<std::optional<int64_t>> GgufHyper::integer(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<int64_t>();
    }
    if (const auto* s = as<int64_t>(value)) {
        return std::optional(*s);
    }
    if (const auto* u = as<uint64_t>(value)) {
        return std::optional(static_cast<int64_t>(std::min(*u, uint64_t{std::numeric_limits<int64_t>::max()})));
    }
    const auto* list = as<GgufArray>(value);
    const auto elements = list == nullptr ? std::vector<int64_t>() : list->integers();
    if (elements.empty()) {
        return fault(key, "must be an integer, is of type " + std::string(gguf_type_name(value->type)));
    }
    if (std::ranges::adjacent_find(elements, std::not_equal_to{}) != elements.end()) {
        return fault(key, "differs from layer to layer, which is not supported for this architecture",
                     Code::kUnimplemented);
    }
    return std::optional(elements.front());
}

Result<std::optional<double>> GgufHyper::number(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<double>();
    }
    double number = std::numeric_limits<double>::quiet_NaN();
    if (const auto* d = as<double>(value)) {
        number = *d;
    } else if (const auto* s = as<int64_t>(value)) {
        number = static_cast<double>(*s);
    } else if (const auto* u = as<uint64_t>(value)) {
        number = static_cast<double>(*u);
    } else {
        return fault(key, "must be a number, is of type " + std::string(gguf_type_name(value->type)));
    }
    if (!std::isfinite(number)) {
        return fault(key, "must be a finite number");
    }
    return std::optional(number);
}

Result<std::optional<bool>> GgufHyper::flag(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<bool>();
    }
    if (const auto* b = as<bool>(value)) {
        return std::optional(*b);
    }
    return fault(key, "must be a bool, is of type " + std::string(gguf_type_name(value->type)));
}

Result<std::optional<std::string>> GgufHyper::text(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<std::string>();
    }
    if (const auto* s = as<std::string_view>(value)) {
        return std::optional<std::string>(*s);
    }
    return fault(key, "must be a string, is of type " + std::string(gguf_type_name(value->type)));
}

Result<std::vector<std::string>> GgufHyper::texts(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::vector<std::string>();
    }
    const auto* list = as<GgufArray>(value);
    if (list == nullptr || (list->element != GgufType::kString && list->count != 0)) {
        return fault(key, "must be an array of strings");
    }
    const auto views = list->strings();
    return std::vector<std::string>(views.begin(), views.end());
}

/// No key of a GGUF file that is asked for is a list of numbers: it keeps those as tensors.
Result<std::vector<double>> GgufHyper::numbers(std::string_view) const { return std::vector<double>(); }

Error GgufHyper::fault(std::string_view key, std::string_view problem, Code code, std::string_view hint) const {
    const auto* value = find(key);
    return file_fault(file_.origin, "'" + prefix_ + std::string(key) + "'", value == nullptr ? 0 : value->offset,
                      problem, code, hint);
}

const boost::json::value* ConfigHyper::find(std::string_view key) const {
    if (!key.starts_with(kRopePrefix)) {
        return config_.find(key);
    }
    const auto name = key.substr(kRopePrefix.size());
    const auto dot = name.find('.');
    for (const std::string_view group : {"rope_parameters", "rope_scaling"}) {
        const auto* dict = config_.find(group);
        if (dict != nullptr && dict->is_object() && dot != std::string_view::npos) {
            dict = dict->get_object().if_contains(name.substr(0, dot));  // of one type of layers
        }
        if (dict != nullptr && dict->is_object()) {
            const auto* value =
                dict->get_object().if_contains(dot == std::string_view::npos ? name : name.substr(dot + 1));
            // Of models whose types of layers differ, what is asked for without a type is that of the full ones.
            const auto* full = dot == std::string_view::npos && value == nullptr
                                   ? dict->get_object().if_contains("full_attention")
                                   : nullptr;
            if (full != nullptr && full->is_object()) {
                value = full->get_object().if_contains(name);
            }
            if (value != nullptr && !value->is_null()) {
                return value;
            }
        }
    }
    return config_.find(name);
}

Result<std::optional<int64_t>> ConfigHyper::integer(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<int64_t>();
    }
    const auto number = json_integer(*value);
    if (!number) {
        return fault(key, "must be an integer");
    }
    return number;
}

Result<std::optional<double>> ConfigHyper::number(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<double>();
    }
    boost::json::error_code ec;
    const double number = value->is_number() ? value->to_number<double>(ec) : 0;
    if (!value->is_number() || ec || !std::isfinite(number)) {
        return fault(key, "must be a finite number");
    }
    return std::optional(number);
}

Result<std::optional<bool>> ConfigHyper::flag(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<bool>();
    }
    if (!value->is_bool()) {
        return fault(key, "must be true or false");
    }
    return std::optional(value->get_bool());
}

Result<std::optional<std::string>> ConfigHyper::text(std::string_view key) const {
    const auto* value = find(key);
    if (value == nullptr) {
        return std::optional<std::string>();
    }
    if (!value->is_string()) {
        return fault(key, "must be a string");
    }
    return std::optional<std::string>(value->get_string());
}

Result<std::vector<std::string>> ConfigHyper::texts(std::string_view key) const {
    const auto* value = find(key);
    std::vector<std::string> out;
    if (value == nullptr) {
        return out;
    }
    if (!value->is_array()) {
        return fault(key, "must be an array of strings");
    }
    for (const auto& element : value->get_array()) {
        if (!element.is_string()) {
            return fault(key, "must be an array of strings");
        }
        out.emplace_back(element.get_string());
    }
    return out;
}

Result<std::vector<double>> ConfigHyper::numbers(std::string_view key) const {
    const auto* value = find(key);
    std::vector<double> out;
    if (value == nullptr) {
        return out;
    }
    if (!value->is_array()) {
        return fault(key, "must be an array of numbers");
    }
    for (const auto& element : value->get_array()) {
        boost::json::error_code ec;
        out.push_back(element.is_number() ? element.to_number<double>(ec) : 0);
        if (!element.is_number() || ec || !std::isfinite(out.back())) {
            return fault(key, "must be an array of finite numbers");
        }
    }
    return out;
}

Error ConfigHyper::fault(std::string_view key, std::string_view problem, Code code, std::string_view hint) const {
    if (!key.starts_with(kRopePrefix)) {
        return config_.fault(key, problem, code, hint);
    }
    const auto name = key.substr(kRopePrefix.size());
    for (const std::string_view group : {"rope_parameters", "rope_scaling"}) {
        const auto* dict = config_.find(group);
        if (dict != nullptr && (!dict->is_object() || dict->get_object().contains(name))) {
            return config_.fault(group, std::string(name) + " " + std::string(problem), code, hint);
        }
    }
    return config_.fault(name, problem, code, hint);
}

}  // namespace gantry::registry
