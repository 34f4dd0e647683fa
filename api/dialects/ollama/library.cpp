#include "api/dialects/ollama/library.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/log.hpp"

namespace gantry::dialects::ollama {

namespace bj = boost::json;
namespace fs = std::filesystem;

namespace {

bj::object to_json(const Derived& model) {
    return bj::object{{"name", model.name},         {"from", model.from},
                      {"system", model.system},     {"template", model.own_template},
                      {"license", model.licence},   {"parameters", model.parameters},
                      {"messages", model.messages}, {"modified", model.modified}};
}

Result<Derived> from_json(const bj::value& value) {
    const bj::object* object = value.if_object();
    if (object == nullptr) {
        return Error(Code::kDataLoss, "an entry is no object");
    }
    json::Reader reader(*object);
    Derived out;
    out.name = reader.required_string("name");
    out.from = reader.required_string("from");
    out.system = reader.string("system").value_or("");
    out.own_template = reader.string("template").value_or("");
    out.licence = reader.string("license").value_or("");
    if (const bj::object* parameters = reader.object("parameters")) {
        out.parameters = *parameters;
    }
    if (const bj::array* messages = reader.array("messages")) {
        out.messages = *messages;
    }
    out.modified = reader.integer("modified").value_or(0);
    if (!reader.status()) {
        return reader.status().error();
    }
    return out;
}

/// Whole or not at all, and on disk when it returns.
Status write_file(const fs::path& path, const std::string& text) {
    const auto failed = [&](const char* what) {
        return Error(Code::kInternal, fmt::format("{} cannot be {}: {}", path.string(), what, std::strerror(errno)));
    };
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    const std::string part = path.string() + ".part";
    const int file = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return failed("written");
    }
    const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const bool synced = written && ::fsync(file) == 0;
    ::close(file);
    if (!synced || ::rename(part.c_str(), path.c_str()) != 0) {
        return failed("written");
    }
    const int folder = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void)::fsync(folder);
        ::close(folder);
    }
    return ok();
}

std::string quoted(const std::string& text) { return "\"\"\"" + text + "\"\"\""; }

}  // namespace

std::string Derived::parameter_text() const {
    std::string out;
    const auto line = [&](std::string_view name, const bj::value& value) {
        out += fmt::format("{:<30} {}\n", name, bj::serialize(value));
    };
    for (const auto& [name, value] : parameters) {
        if (value.is_array()) {
            for (const bj::value& item : value.get_array()) {
                line(name, item);
            }
        } else {
            line(name, value);
        }
    }
    return out;
}

std::string Derived::modelfile() const {
    std::string out = fmt::format("# Written by Gantry.\nFROM {}\n", from);
    if (!own_template.empty()) {
        out += "TEMPLATE " + quoted(own_template) + '\n';
    }
    if (!system.empty()) {
        out += "SYSTEM " + quoted(system) + '\n';
    }
    std::istringstream lines(parameter_text());
    for (std::string line; std::getline(lines, line);) {
        out += "PARAMETER " + line + '\n';
    }
    for (const bj::value& message : messages) {
        out += "MESSAGE " + text_member(message.get_object(), "role") + ' ' +
               quoted(text_member(message.get_object(), "content")) + '\n';
    }
    if (!licence.empty()) {
        out += "LICENSE " + quoted(licence) + '\n';
    }
    return out;
}

Library::Library(const api::Services& services) {
    if (services.state_dir.empty()) {
        return;
    }
    path_ = services.state_dir + "/ollama.json";
    std::ifstream file(path_, std::ios::binary);
    if (!file) {
        return;
    }
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto parsed = json::parse(text);
    if (!parsed || !parsed->is_array()) {
        log::error("{} cannot be read: {}", path_, parsed ? "it is no list" : parsed.error().text());
        return;
    }
    for (const bj::value& entry : parsed->get_array()) {
        auto model = from_json(entry);
        if (!model) {
            log::error("{}: {}", path_, model.error().text());
            continue;
        }
        std::string name = model->name;
        derived_.insert_or_assign(std::move(name), std::move(*model));
    }
}

const Derived* Library::find(std::string_view name) const {
    const auto found = derived_.find(std::string(name));
    return found == derived_.end() ? nullptr : &found->second;
}

Status Library::save(const std::map<std::string, Derived>& models) const {
    if (path_.empty()) {
        return ok();
    }
    bj::array all;
    for (const auto& [name, model] : models) {
        all.emplace_back(to_json(model));
    }
    return write_file(path_, bj::serialize(all));
}

Status Library::put(Derived model) {
    auto models = derived_;
    std::string name = model.name;
    models.insert_or_assign(std::move(name), std::move(model));
    GANTRY_CHECK_OK(save(models));
    derived_ = std::move(models);
    return ok();
}

Status Library::remove(const std::string& name) {
    auto models = derived_;
    models.erase(name);
    GANTRY_CHECK_OK(save(models));
    derived_ = std::move(models);
    return ok();
}

void fill_in(const Derived& model, bj::object& body, bool chat) {
    if (!model.parameters.empty()) {
        bj::object options = model.parameters;
        if (const bj::value* given = body.if_contains("options"); given != nullptr && given->is_object()) {
            for (const auto& [name, value] : given->get_object()) {
                options[name] = value;
            }
        }
        const bj::value* given = body.if_contains("options");
        if (given == nullptr || given->is_object() || given->is_null()) {  // what is wrong stays, to be refused
            body["options"] = std::move(options);
        }
    }
    if (!chat) {
        const bj::value* raw = body.if_contains("raw");
        if (raw == nullptr || *raw != true) {
            if (!model.system.empty() && !body.contains("system")) {
                body["system"] = model.system;
            }
            if (!model.own_template.empty() && !body.contains("template")) {
                body["template"] = model.own_template;
            }
        }
        return;
    }
    bj::value* messages = body.if_contains("messages");
    if (messages == nullptr || !messages->is_array() || messages->get_array().empty()) {
        return;
    }
    bj::array all;
    const bj::value& first = messages->get_array().front();
    const bool has_system = first.is_object() && text_member(first.get_object(), "role") == "system";
    if (has_system) {
        all.push_back(first);
    } else if (!model.system.empty()) {
        all.emplace_back(bj::object{{"role", "system"}, {"content", model.system}});
    }
    all.insert(all.end(), model.messages.begin(), model.messages.end());
    all.insert(all.end(), messages->get_array().begin() + (has_system ? 1 : 0), messages->get_array().end());
    *messages = std::move(all);
}

}  // namespace gantry::dialects::ollama
