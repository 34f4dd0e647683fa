/// gantry backends, version, help, completion, man

#include <iostream>

#include "api/cli/command_list.hpp"
#include "api/cli/terminal.hpp"
#include "base/paths.hpp"
#include "base/version.hpp"
#include "runtime/plugins/probe.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view key) {
    const auto* v = object.if_contains(key);
    return v != nullptr && v->is_string() ? json::value_to<std::string>(*v) : std::string();
}

void print_backend(const json::object& backend) {
    std::cout << bold(text_of(backend, "id")) << " " << text_of(backend, "version");
    if (const auto description = text_of(backend, "description"); !description.empty()) {
        std::cout << "  " << dim(description);
    }
    std::cout << "\n";
    if (const auto* e = backend.if_contains("error"); e != nullptr && e->is_object()) {
        std::cout << "  cannot be used: " << text_of(e->as_object(), "message") << "\n";
        if (const auto hint = text_of(e->as_object(), "hint"); !hint.empty()) {
            std::cout << "    " << hint << "\n";
        }
        return;
    }
    const auto* devices = backend.if_contains("devices");
    if (devices == nullptr || !devices->is_array() || devices->as_array().empty()) {
        std::cout << "  no device: " << text_of(backend, "why") << "\n";
        return;
    }
    for (const auto& d : devices->as_array()) {
        const auto& device = d.as_object();
        std::cout << "  " << text_of(device, "kind") << " " << device.at("index").to_number<uint64_t>() << ": "
                  << text_of(device, "name") << ", " << human_bytes(device.at("memory_free").to_number<uint64_t>())
                  << " free of " << human_bytes(device.at("memory_total").to_number<uint64_t>()) << "\n    "
                  << text_of(device, "features") << "\n";
    }
}

}  // namespace

int cmd_backends(const Arguments& args) {
    // Plugins are asked in this process, which is as short-lived as the server's own probes.
    plugins::ProbeRequest request;
    request.plugin_dirs = paths::plugin_dirs();
    const auto report = plugins::probe(request);
    if (args.has("json")) {
        std::cout << json::serialize(report) << "\n";
        return 0;
    }
    const auto& backends = report.at("plugins").as_array();
    for (const auto& b : backends) {
        print_backend(b.as_object());
    }
    if (backends.empty()) {
        std::string dirs;
        for (const auto& d : paths::plugin_dirs()) {
            dirs += (dirs.empty() ? "" : ", ") + d.string();
        }
        return fail({Code::kNotFound, "no backend plugin was found", "looked in " + dirs});
    }
    return 0;
}

int cmd_version(const Arguments& args) {
    if (args.has("json")) {
        std::cout << json::serialize(json::object{{"version", kVersion}, {"plugin_abi", kPluginAbi}}) << "\n";
    } else {
        std::cout << "gantry " << kVersion << " (plugin ABI " << kPluginAbi << ")\n";
    }
    return 0;
}

int cmd_help(const Arguments& args) {
    if (args.operands.empty()) {
        std::cout << overview();
        return 0;
    }
    const Command* command = find_command(args.operands[0]);
    if (command == nullptr) {
        return fail({Code::kNotFound, "gantry has no command \"" + args.operands[0] + "\"", "gantry help lists them"});
    }
    std::cout << help(*command);
    return 0;
}

int cmd_completion(const Arguments& args) {
    const auto script = completion_script(args.operands[0]);
    if (!script) {
        return fail(script.error());
    }
    std::cout << *script;
    return 0;
}

int cmd_man(const Arguments& args) {
    const Command* command = nullptr;
    if (!args.operands.empty()) {
        command = find_command(args.operands[0]);
        if (command == nullptr) {
            return fail({Code::kNotFound, "gantry has no command \"" + args.operands[0] + "\""});
        }
    }
    std::cout << manual_page(command);
    return 0;
}

}  // namespace gantry::cli
