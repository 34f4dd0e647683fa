#include "runtime/plugins/json.hpp"

#include <utility>

namespace gantry::plugins {
namespace json = boost::json;
namespace {

const json::value* member(const json::value& object, std::string_view key) {
    const auto* o = object.if_object();
    return o == nullptr ? nullptr : o->if_contains(key);
}

}  // namespace

uint64_t json_number(const json::value& object, std::string_view key, uint64_t otherwise) {
    const json::value* value = member(object, key);
    if (value == nullptr || !value->is_number()) {
        return otherwise;
    }
    boost::system::error_code ec;
    const auto number = value->to_number<uint64_t>(ec);
    return ec ? otherwise : number;
}

std::string json_text(const json::value& object, std::string_view key) {
    const json::value* value = member(object, key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool json_bool(const json::value& object, std::string_view key, bool otherwise) {
    const json::value* value = member(object, key);
    return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
}

json::object error_to_json(const Error& error) {
    json::object out{{"code", code_name(error.code)}, {"message", error.message}};
    if (!error.hint.empty()) {
        out["hint"] = error.hint;
    }
    return out;
}

Error error_from_json(const json::value& value) {
    if (member(value, "message") == nullptr) {
        return {Code::kInternal, json::serialize(value)};
    }
    return {code_from_name(json_text(value, "code")), json_text(value, "message"), json_text(value, "hint")};
}

json::object to_json(const DeviceInfo& device) {
    return {{"index", device.index},
            {"kind", device.kind},
            {"name", device.name},
            {"features", device.features},
            {"memory_total", device.memory_total},
            {"memory_free", device.memory_free},
            {"unified", device.unified}};
}

DeviceInfo device_from_json(const json::value& value) {
    return {static_cast<uint32_t>(json_number(value, "index")),
            json_text(value, "kind"),
            json_text(value, "name"),
            json_text(value, "features"),
            json_number(value, "memory_total"),
            json_number(value, "memory_free"),
            json_bool(value, "unified", true)};
}

json::object to_json(const Assessment& a) {
    return {{"score", a.score},
            {"weights_bytes", a.weights_bytes},
            {"mapped_bytes", a.mapped_bytes},
            {"kv_bytes_per_block", a.kv_bytes_per_block},
            {"scratch_bytes", a.scratch_bytes},
            {"state_bytes_per_slot", a.state_bytes_per_slot},
            {"block_size", a.block_size},
            {"max_context", a.max_context}};
}

Assessment assessment_from_json(const json::value& value) {
    Assessment a;
    if (const json::value* score = member(value, "score"); score != nullptr && score->is_int64()) {
        a.score = static_cast<int32_t>(score->get_int64());
    }
    a.weights_bytes = json_number(value, "weights_bytes");
    a.mapped_bytes = json_number(value, "mapped_bytes");
    a.kv_bytes_per_block = json_number(value, "kv_bytes_per_block");
    a.scratch_bytes = json_number(value, "scratch_bytes");
    a.state_bytes_per_slot = json_number(value, "state_bytes_per_slot");
    a.block_size = static_cast<uint32_t>(json_number(value, "block_size"));
    a.max_context = static_cast<uint32_t>(json_number(value, "max_context"));
    return a;
}

json::object to_json(const LoadSpec& spec) {
    json::array devices(spec.devices.begin(), spec.devices.end());
    json::object options;
    for (const auto& [key, text] : spec.options) {
        options[key] = text;
    }
    return {{"devices", std::move(devices)},       {"block_size", spec.block_size},
            {"block_count", spec.block_count},     {"max_step_tokens", spec.max_step_tokens},
            {"max_sequences", spec.max_sequences}, {"max_logit_rows", spec.max_logit_rows},
            {"max_context", spec.max_context},     {"options", std::move(options)}};
}

LoadSpec load_spec_from_json(const json::value& value) {
    LoadSpec spec;
    if (const json::value* devices = member(value, "devices"); devices != nullptr && devices->is_array()) {
        for (const json::value& index : devices->get_array()) {
            spec.devices.push_back(static_cast<uint32_t>(index.to_number<uint64_t>()));
        }
    }
    spec.block_size = static_cast<uint32_t>(json_number(value, "block_size"));
    spec.block_count = json_number(value, "block_count");
    spec.max_step_tokens = static_cast<uint32_t>(json_number(value, "max_step_tokens"));
    spec.max_sequences = static_cast<uint32_t>(json_number(value, "max_sequences"));
    spec.max_logit_rows = static_cast<uint32_t>(json_number(value, "max_logit_rows"));
    spec.max_context = static_cast<uint32_t>(json_number(value, "max_context"));
    if (const json::value* options = member(value, "options"); options != nullptr && options->is_object()) {
        for (const auto& [key, text] : options->get_object()) {
            if (text.is_string()) {
                spec.options[std::string(key)] = std::string(text.get_string());
            }
        }
    }
    return spec;
}

}  // namespace gantry::plugins
