#include "options.hpp"

#include <charconv>
#include <gantry/cpp/error.hpp>
#include <string>
#include <string_view>
#include <system_error>

namespace gantry::null_plugin {
namespace {

struct Field {
    std::string_view name;
    uint64_t Options::*member;
};

constexpr Field kFields[] = {
    {"step_us", &Options::step_us},         {"stamp_us", &Options::stamp_us},
    {"sampler", &Options::sampler},         {"load_ms", &Options::load_ms},
    {"stall_load", &Options::stall_load},   {"ignore_cancel", &Options::ignore_cancel},
    {"crash_load", &Options::crash_load},   {"crash_step", &Options::crash_step},
    {"weights_mib", &Options::weights_mib}, {"kv_block_kib", &Options::kv_block_kib},
    {"embed_width", &Options::embed_width}, {"score_width", &Options::score_width},
};

uint64_t number(std::string_view key, std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > uint64_t{1} << 32) {
        throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT,
                         "option '" + std::string(key) + "' is '" + std::string(text) + "', not a whole number");
    }
    return value;
}

const Field* find(std::string_view key) {
    for (const Field& field : kFields) {
        if (field.name == key) {
            return &field;
        }
    }
    return nullptr;
}

}  // namespace

Options read_options(const gantry_load_spec_t& spec) {
    Options out;
    for (uint32_t i = 0; i < spec.option_count; ++i) {
        std::string_view key = sdk::from_abi(spec.options[i].key);
        if (key.substr(0, 5) == "null.") {
            key.remove_prefix(5);
        } else if (key.find('.') != std::string_view::npos) {
            continue;
        }
        const Field* field = find(key);
        if (field == nullptr) {
            throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, "unknown option '" + std::string(key) + "'",
                             "the null plugin knows step_us, stamp_us, sampler, load_ms, stall_load, ignore_cancel, "
                             "crash_load, crash_step, weights_mib and kv_block_kib");
        }
        out.*field->member = number(key, sdk::from_abi(spec.options[i].value));
    }
    return out;
}

}  // namespace gantry::null_plugin
