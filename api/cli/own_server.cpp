#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <thread>

#include "api/cli/server_client.hpp"
#include "api/cli/terminal.hpp"
#include "base/paths.hpp"

extern char** environ;

namespace gantry::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

std::string tail(const std::filesystem::path& file, size_t lines) {
    std::ifstream in(file);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) {
        all.push_back(line);
    }
    std::string out;
    for (size_t i = all.size() > lines ? all.size() - lines : 0; i < all.size(); ++i) {
        out += (out.empty() ? "" : "\n       ") + all[i];
    }
    return out;
}

}  // namespace

Result<std::unique_ptr<OwnServer>> OwnServer::start(ServerClient& client, bool keep) {
    const auto& endpoint = client.endpoint();
    if (endpoint.unix_socket || client.encrypted() || (endpoint.host != "127.0.0.1" && endpoint.host != "localhost")) {
        return Error{Code::kUnavailable, "no server answers at " + endpoint.text(),
                     "a server is started automatically on this machine only"};
    }
    std::array<int, 2> pipe_fds{};
    if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) {
        return Error{Code::kInternal, "cannot make a pipe for the server"};
    }
    const auto log = paths::state_dir() / "server.log";
    std::error_code ec;
    std::filesystem::create_directories(log.parent_path(), ec);

    const std::string program = paths::program().string();
    const std::string port = std::to_string(endpoint.port);
    constexpr int kDeathFd = 3;
    const std::string death = std::to_string(kDeathFd);
    std::vector<std::string> words{program, "serve", "--port", port};
    if (!keep) {
        words.insert(words.end(), {"--die-with", death});
    }
    std::vector<char*> argv;
    for (auto& w : words) {
        argv.push_back(w.data());
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!keep) {
        posix_spawn_file_actions_adddup2(&actions, pipe_fds[0], kDeathFd);
    }
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // A process group of its own: Ctrl-C in the chat stops the answer, not the server.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    pid_t pid = -1;
    const int rc = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    ::close(pipe_fds[0]);
    if (rc != 0) {
        ::close(pipe_fds[1]);
        return Error{Code::kInternal, "cannot start " + program + " serve"};
    }
    auto server = std::unique_ptr<OwnServer>(new OwnServer);
    server->pid_ = pid;
    server->death_fd_ = pipe_fds[1];

    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!client.alive()) {
        int status = 0;
        if (::waitpid(pid, &status, WNOHANG) == pid) {
            server->pid_ = -1;
            return Error{Code::kUnavailable, "the server ended while starting", tail(log, 5)};
        }
        if (std::chrono::steady_clock::now() > deadline) {
            return Error{Code::kDeadlineExceeded, "the server did not answer within 20 seconds", tail(log, 5)};
        }
        std::this_thread::sleep_for(10ms);
    }
    if (keep) {
        server->pid_ = -1;
    }
    return server;
}

OwnServer::~OwnServer() {
    if (pid_ > 0) {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    if (death_fd_ >= 0) {
        ::close(death_fd_);
    }
}

namespace {

void show(ProgressLine& progress, const json::value& model) {
    const auto state = json::value_to<std::string>(model.at("state"));
    const auto stage = json::value_to<std::string>(model.at("stage"));
    progress.update(stage.empty() ? state : stage, model.at("bytes_done").to_number<uint64_t>(),
                    model.at("bytes_total").to_number<uint64_t>());
}

/// Asks for a launch, which is not accepted before its files are there: meanwhile shows how they come.
Result<json::value> accept(ServerClient& client, json::object launch, const std::string& wanted,
                           ProgressLine& progress) {
    auto answer = std::async(std::launch::async, [other = client.another(), body = std::move(launch)]() mutable {
        return other.call("POST", "/v1/models?wait_ready=false", std::move(body));
    });
    while (answer.wait_for(100ms) != std::future_status::ready) {
        const auto all = client.call("GET", "/gantry/v1/models");
        if (!all) {
            continue;  // the launch itself will say what is wrong
        }
        for (const auto& m : all->as_object().at("models").as_array()) {
            const auto state = json::value_to<std::string>(m.at("state"));
            if (m.at("model_name").as_string() == wanted && state != "ready" && state != "failed") {
                show(progress, m);
            }
        }
    }
    return answer.get();
}

}  // namespace

Result<std::string> ensure_launched(ServerClient& client, json::object launch, bool quiet, bool reuse) {
    const auto wanted = json::value_to<std::string>(launch.at("model_name"));
    if (reuse) {
        GANTRY_TRY(const auto running, client.call("GET", "/gantry/v1/models"));
        for (const auto& m : running.as_object().at("models").as_array()) {
            const bool named = m.at("uid").as_string() == wanted || m.at("model_name").as_string() == wanted;
            if (named && m.at("state").as_string() != "failed") {  // a launch that failed is only told of
                return json::value_to<std::string>(m.at("uid"));
            }
        }
    }
    ProgressLine progress(quiet);
    GANTRY_TRY(const auto accepted, accept(client, std::move(launch), wanted, progress));
    auto uid = json::value_to<std::string>(accepted.at("model_uid"));
    while (true) {
        GANTRY_TRY(const auto all, client.call("GET", "/gantry/v1/models"));
        const json::value* mine = nullptr;
        for (const auto& m : all.as_object().at("models").as_array()) {
            if (m.at("uid").as_string() == uid) {
                mine = &m;
            }
        }
        if (mine == nullptr) {
            return Error{Code::kCancelled, "the launch of " + uid + " was cancelled"};
        }
        const auto state = json::value_to<std::string>(mine->at("state"));
        if (state == "ready") {
            return uid;
        }
        if (state == "failed") {
            Error error{Code::kInternal, uid + " failed to launch", ""};
            if (const auto* e = mine->as_object().if_contains("error"); e != nullptr && e->is_object()) {
                error.message = json::value_to<std::string>(e->at("message"));
                if (const auto* h = e->as_object().if_contains("hint"); h != nullptr && h->is_string()) {
                    error.hint = json::value_to<std::string>(*h);
                }
            }
            return error;
        }
        show(progress, *mine);
        std::this_thread::sleep_for(30ms);
    }
}

}  // namespace gantry::cli
