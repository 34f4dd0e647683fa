#include "runtime/plugins/probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "registry/registry.hpp"
#include "runtime/plugins/abi_convert.hpp"
#include "runtime/plugins/json.hpp"

namespace gantry::plugins {
namespace json = boost::json;
namespace {

using Manifest = std::shared_ptr<const registry::ModelManifest>;
using Clock = std::chrono::steady_clock;

constexpr size_t kMaxRequestBytes = 1 << 20;

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
}

json::object describe(const PluginFile& file) {
    json::object out{{"id", file.id},
                     {"version", file.version},
                     {"description", file.description},
                     {"licence", file.licence},
                     {"folder", file.folder.string()},
                     {"library", file.library.string()},
                     {"abi_min", version_text(file.abi_min)},
                     {"abi_max", version_text(file.abi_max)},
                     {"state", file.rejected ? "rejected" : "ok"},
                     {"devices", json::array{}}};
    if (file.rejected) {
        out["error"] = error_to_json(*file.rejected);
    }
    return out;
}

json::object failed(const Error& error) { return {{"state", "failed"}, {"error", error_to_json(error)}}; }

/// What one plugin says; runs in a child of its own.
json::object ask(const PluginFile& file, const ProbeRequest& request, const Manifest& manifest) {
    auto backend = Backend::load(file, request.threads);
    if (!backend) {
        return failed(backend.error());
    }
    json::object out{{"state", "ok"}, {"version", (*backend)->version()}};
    std::string why;
    const auto devices = (*backend)->devices(why);
    if (!devices) {
        return failed(devices.error());
    }
    json::array list;
    for (const DeviceInfo& device : *devices) {
        list.push_back(to_json(device));
    }
    out["devices"] = std::move(list);
    if (!why.empty()) {
        out["why"] = why;
    }
    if (manifest != nullptr) {
        const auto assessment = (*backend)->assess(*manifest, spec_for(*manifest, request.spec));
        out["assess"] = assessment ? to_json(*assessment) : json::object{{"error", error_to_json(assessment.error())}};
    }
    return out;
}

struct Child {
    pid_t pid = -1;
    int fd = -1;  ///< its answer
};

std::optional<Child> start(const PluginFile& file, const ProbeRequest& request, const Manifest& manifest) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
        return std::nullopt;
    }
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) {
            ::_exit(1);
        }
        // What the plugin prints must not mix with the answer.
        ::dup2(STDERR_FILENO, STDOUT_FILENO);
        write_all(pipe[1], json::serialize(ask(file, request, manifest)));
        ::_exit(0);
    }
    ::close(pipe[1]);
    if (pid < 0) {
        ::close(pipe[0]);
        return std::nullopt;
    }
    return Child{pid, pipe[0]};
}

/// Everything up to the end of `fd`, or nullopt at the deadline.
std::optional<std::string> read_until(int fd, Clock::time_point deadline) {
    std::string out;
    std::array<char, 4096> buffer{};
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd poll_fd{fd, POLLIN, 0};
        const int ready = left > 0 ? ::poll(&poll_fd, 1, static_cast<int>(left)) : 0;
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return std::nullopt;
        }
        const ssize_t n = ::read(fd, buffer.data(), buffer.size());
        if (n == 0) {
            return out;
        }
        if (n > 0) {
            out.append(buffer.data(), static_cast<size_t>(n));
        } else if (errno != EINTR) {
            return std::nullopt;
        }
    }
}

json::object collect(const PluginFile& file, const Child& child, const ProbeRequest& request,
                     Clock::time_point deadline) {
    const std::optional<std::string> text = read_until(child.fd, deadline);
    ::close(child.fd);
    if (!text) {
        ::kill(child.pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!text) {
        return failed({Code::kDeadlineExceeded, "plugin '" + file.id + "' did not answer within " +
                                                    std::to_string(request.timeout.count() / 1000) + " s"});
    }
    if (WIFSIGNALED(status)) {
        return failed({Code::kInternal,
                       "plugin '" + file.id + "' crashed while it was asked: signal " +
                           std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")",
                       "report this to the plugin's author"});
    }
    boost::system::error_code ec;
    json::value answer = json::parse(*text, ec);
    if (ec || !answer.is_object()) {
        return failed({Code::kInternal, "plugin '" + file.id + "' ended the process that asked it"});
    }
    return std::move(answer.get_object());
}

json::object describe(const registry::ModelManifest& manifest) {
    int64_t layers = 0;
    if (const auto found = manifest.hyper.find("layer_count"); found != manifest.hyper.end()) {
        if (const auto* value = std::get_if<int64_t>(&found->second)) {
            layers = *value;
        }
    }
    uint64_t file_bytes = 0;
    for (const auto& file : manifest.files) {
        file_bytes += file->bytes().size();
    }
    return {{"name", manifest.name},
            {"format", manifest.format},
            {"architecture", manifest.architecture},
            {"quantization", manifest.quantization},
            {"parameter_count", manifest.parameter_count},
            {"context_length", manifest.context_length},
            {"layer_count", layers},
            {"file_bytes", file_bytes},
            {"chat_template", manifest.chat_template},
            {"has_tokenizer", !std::holds_alternative<std::monostate>(manifest.tokenizer)}};
}

Result<std::string> read_request(int fd) {
    std::string out;
    std::array<char, 4096> buffer{};
    while (true) {
        const ssize_t n = ::read(fd, buffer.data(), buffer.size());
        if (n == 0) {
            return out;
        }
        if (n < 0 && errno != EINTR) {
            return Error{Code::kInternal, std::string("cannot read the request: ") + std::strerror(errno)};
        }
        out.append(buffer.data(), static_cast<size_t>(std::max<ssize_t>(n, 0)));
        if (out.size() > kMaxRequestBytes) {
            return Error{Code::kTooLarge, "the probe's request is longer than 1 MiB"};
        }
    }
}

}  // namespace

json::object to_json(const ProbeRequest& request) {
    json::array dirs;
    for (const auto& dir : request.plugin_dirs) {
        dirs.emplace_back(dir.string());
    }
    return {{"plugin_dirs", std::move(dirs)}, {"model_path", request.model_path.string()},
            {"engine", request.engine},       {"threads", request.threads},
            {"spec", to_json(request.spec)},  {"timeout_ms", request.timeout.count()}};
}

Result<ProbeRequest> probe_request_from_json(std::string_view text) {
    boost::system::error_code ec;
    const json::value value = json::parse(text, ec);
    if (ec || !value.is_object()) {
        return Error{Code::kInvalidArgument, "the probe's request is not a JSON object"};
    }
    ProbeRequest out;
    if (const json::value* dirs = value.get_object().if_contains("plugin_dirs"); dirs != nullptr && dirs->is_array()) {
        for (const json::value& dir : dirs->get_array()) {
            if (dir.is_string()) {
                out.plugin_dirs.emplace_back(std::string(dir.get_string()));
            }
        }
    }
    out.model_path = json_text(value, "model_path");
    out.engine = json_text(value, "engine");
    out.threads = static_cast<uint32_t>(json_number(value, "threads", 1));
    if (const json::value* spec = value.get_object().if_contains("spec")) {
        out.spec = load_spec_from_json(*spec);
    }
    out.timeout = std::chrono::milliseconds(json_number(value, "timeout_ms", 20'000));
    return out;
}

json::object probe(const ProbeRequest& request) {
    json::object out{{"abi", version_text(GANTRY_ABI_VERSION)}};
    Manifest manifest;
    if (!request.model_path.empty()) {
        if (auto loaded = registry::load_manifest(request.model_path)) {
            manifest = std::make_shared<const registry::ModelManifest>(std::move(*loaded));
            out["model"] = describe(*manifest);
        } else {
            out["model"] = json::object{{"error", error_to_json(loaded.error())}};
        }
    }
    const std::vector<PluginFile> files = discover(request.plugin_dirs);
    std::vector<std::optional<Child>> children;
    for (const PluginFile& file : files) {
        const bool wanted = !file.rejected && (request.engine.empty() || request.engine == file.id);
        children.push_back(wanted ? start(file, request, manifest) : std::nullopt);
    }
    const auto deadline = Clock::now() + request.timeout;
    json::array plugins;
    for (size_t i = 0; i < files.size(); ++i) {
        json::object entry = describe(files[i]);
        if (children[i]) {
            for (auto& [key, value] : collect(files[i], *children[i], request, deadline)) {
                entry[key] = value;
            }
        }
        plugins.push_back(std::move(entry));
    }
    out["plugins"] = std::move(plugins);
    return out;
}

int run_probe(int in_fd, int out_fd) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto text = read_request(in_fd);
    auto request = text ? probe_request_from_json(*text) : Result<ProbeRequest>(text.error());
    const json::object answer = request ? probe(*request) : json::object{{"error", error_to_json(request.error())}};
    return write_all(out_fd, json::serialize(answer) + '\n') && request ? 0 : 1;
}

}  // namespace gantry::plugins
