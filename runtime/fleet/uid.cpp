#include "runtime/fleet/uid.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <random>

namespace gantry::fleet {
namespace {

constexpr size_t kMaxLength = 100;
/// GET /v1/models/{uid} would be answered by these routes instead.
constexpr std::array kReserved{"prompts", "families", "vllm-supported", "instances"};

bool alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool allowed(char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-' || c == ':'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

std::string random_word(size_t length) {
    constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    thread_local std::mt19937_64 engine{std::random_device{}()};
    std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
    std::string out;
    for (size_t i = 0; i < length; ++i) {
        out += kLetters[letter(engine)];
    }
    return out;
}

bool names_replica(std::string_view uid) {
    const size_t end = uid.find_last_not_of("0123456789");
    return end != std::string_view::npos && digit(uid.back()) && uid.substr(0, end + 1).ends_with("-rep");
}

}  // namespace

Status check_uid(std::string_view uid) {
    const auto wrong = [&](const std::string& why) {
        return Error{Code::kInvalidArgument, "model uid '" + std::string(uid.substr(0, kMaxLength)) + "' " + why};
    };
    if (uid.empty() || uid.size() > kMaxLength) {
        return wrong("must have 1 to 100 characters");
    }
    if (!alphanumeric(uid.front()) || !std::ranges::all_of(uid, allowed)) {
        return wrong("must begin with a letter or digit and hold only letters, digits, '.', '_', '-' and ':'");
    }
    if (names_replica(uid)) {
        return wrong("must not end in -rep and a number, which names a replica");
    }
    if (std::ranges::find(kReserved, uid) != kReserved.end()) {
        return wrong("is a word with a meaning of its own here");
    }
    return ok();
}

std::string launch_name(const std::string& model, const std::string& model_path) {
    namespace fs = std::filesystem;
    const std::string& name = model.empty() ? model_path : model;
    if (name.find('/') == std::string::npos) {
        return name;
    }
    const fs::path path = fs::path(name).lexically_normal();
    const fs::path last = path.has_filename() ? path.filename() : path.parent_path().filename();
    return last.extension() == ".gguf" ? last.stem().string() : last.string();
}

std::string make_uid(std::string_view model_name, const std::function<bool(const std::string&)>& taken) {
    std::string base(model_name.substr(0, kMaxLength - 10));
    std::ranges::replace_if(
        base, [](char c) { return !allowed(c); }, '-');
    base.erase(0, base.find_first_not_of(".-_:"));
    if (base.empty() || !check_uid(base)) {
        base = base.empty() || !alphanumeric(base.front()) ? "model" : base + "-model";
    }
    std::string uid = base;
    while (taken(uid) || names_replica(uid)) {
        uid = base + '-' + random_word(8);
    }
    return uid;
}

}  // namespace gantry::fleet
