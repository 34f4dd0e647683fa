#include "api/dialects/ollama/targets.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "registry/reference.hpp"
#include "runtime/fleet/uid.hpp"

namespace gantry::dialects::ollama {

namespace asio = boost::asio;
using api::ApiError;
using fleet::State;

namespace {

/// Of models that a request has launched; as Ollama has it.
constexpr std::chrono::seconds kUsualKeepAlive{300};

/// "0.5b" and "500m" as billions, in the catalog's form; empty for what is no size.
std::string size_of(std::string_view part) {
    double value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    const std::string_view unit = part.substr(static_cast<size_t>(end - part.data()));
    if (error != std::errc{} || !(value > 0)) {
        return {};
    }
    if (registry::equal_ignoring_case(unit, "m")) {
        value /= 1000;
    } else if (!registry::equal_ignoring_case(unit, "b")) {
        return {};
    }
    return fmt::format("{}", value);
}

bool has_quantization(const registry::CatalogEntry& entry, std::string_view name) {
    return std::any_of(entry.specs.begin(), entry.specs.end(), [&](const registry::ModelSpec& spec) {
        return std::any_of(spec.quantizations.begin(), spec.quantizations.end(),
                           [&](const std::string& q) { return registry::equal_ignoring_case(q, name); });
    });
}

bool has_size(const registry::CatalogEntry& entry, const std::string& size) {
    return std::any_of(entry.specs.begin(), entry.specs.end(), [&](const registry::ModelSpec& spec) {
        return registry::normalized_size(spec.size_in_billions) == size;
    });
}

/// Reads a tag into a launch; false where it asks for what the catalog does not have.
bool read_tag(const registry::CatalogEntry& entry, std::string_view tag, fleet::LaunchRequest& launch) {
    while (!tag.empty()) {
        const std::string_view part = tag.substr(0, tag.find('-'));
        tag.remove_prefix(std::min(tag.size(), part.size() + 1));
        if (const std::string size = size_of(part); !size.empty()) {
            launch.size_in_billions = size;
            if (!has_size(entry, size)) {
                return false;
            }
        } else if (has_quantization(entry, part)) {
            launch.quantization = std::string(part);
        } else if (part != "instruct" && part != "chat" && part != "it" && part != "latest") {
            return false;
        }
    }
    return true;
}

std::optional<Target> launched(const api::Services& services, std::string_view name) {
    Target target;
    if (services.fleet.describe(name)) {
        target.uid = target.route = std::string(name);
        return target;
    }
    if (const auto route = services.fleet.route(name)) {
        target.uid = route->first;
        target.route = route->second.empty() ? route->first : route->first + ':' + route->second;
        return target;
    }
    return std::nullopt;
}

std::optional<Target> of_catalog(const api::Services& services, std::string_view name) {
    const size_t colon = name.rfind(':');
    const std::string_view tag = colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
    const registry::CatalogEntry* entry = services.catalog.find(name.substr(0, colon));
    if (entry == nullptr) {
        return std::nullopt;
    }
    fleet::LaunchRequest launch;
    launch.model = entry->name;
    if (!read_tag(*entry, tag, launch)) {
        return std::nullopt;
    }
    std::string words = tag.empty() ? entry->name : fmt::format("{}-{}", entry->name, tag);
    launch.uid = fleet::make_uid(words, [](const std::string&) { return false; });
    Target target;
    target.uid = target.route = launch.uid;
    target.launch = std::move(launch);
    return target;
}

/// A model that was made of a file of the server's.
Target of_path(const Derived& derived) {
    Target target;
    fleet::LaunchRequest& launch = target.launch.emplace();
    launch.model = derived.from;
    launch.uid = fleet::make_uid(derived.name, [](const std::string&) { return false; });
    target.uid = target.route = launch.uid;
    return target;
}

/// A model that is named with the place that it comes from: "hf:org/repo".
std::optional<Target> of_source(const std::string& name) {
    const auto reference = registry::parse_reference(name);
    if (!reference || reference->source == registry::Source::kName || reference->source == registry::Source::kFile) {
        return std::nullopt;
    }
    Target target;
    fleet::LaunchRequest& launch = target.launch.emplace();
    launch.model = name;
    launch.uid = fleet::make_uid(name, [](const std::string&) { return false; });
    target.uid = target.route = launch.uid;
    return target;
}

/// Only who may stop models may say when they are stopped.
void renew(api::Services& services, const api::Principal& caller, const std::string& uid, KeepAlive keep_alive) {
    if (keep_alive && caller.may(api::Scope::kLaunch)) {
        (void)services.fleet.touch(uid, keep_alive);  // it may have gone in the meantime, which the request will tell
    }
}

}  // namespace

std::string_view short_name(std::string_view name) {
    for (const std::string_view prefix : {"registry.ollama.ai/", "library/"}) {
        name.remove_prefix(name.starts_with(prefix) ? prefix.size() : 0);
    }
    constexpr std::string_view kLatest = ":latest";
    name.remove_suffix(name.ends_with(kLatest) && name.size() > kLatest.size() ? kLatest.size() : 0);
    return name;
}

ApiError no_such_model(const api::Services& services, const std::string& name) {
    const std::string_view words = short_name(name);
    const auto near = services.catalog.nearest(words.substr(0, words.rfind(':')));
    return ApiError(Error(Code::kNotFound, fmt::format("model '{}' not found", name),
                          near.empty() ? "" : fmt::format("did you mean {}?", fmt::join(near, ", "))),
                    "model");
}

api::ApiResult<Target> find_target(api::Services& services, const std::string& name) {
    const Derived* derived = services.kept<Library>().find(short_name(name));
    const std::string_view words = derived != nullptr ? short_name(derived->from) : short_name(name);
    std::optional<Target> target = of_catalog(services, words);
    // A uid that a user has chosen goes before the catalog's names; one that the catalog leads to keeps its launch.
    if (auto running = launched(services, words); running && !(target && target->uid == running->uid)) {
        target = std::move(running);
    }
    if (!target && derived != nullptr && words.starts_with('/')) {
        target = of_path(*derived);
    }
    if (!target) {
        target = of_source(std::string(words));
    }
    if (!target) {
        return no_such_model(services, name);
    }
    target->name = name;
    return std::move(*target);
}

asio::awaitable<Result<std::chrono::nanoseconds>> make_ready(api::Services& services, api::Principal caller,
                                                             Target target, KeepAlive keep_alive) {
    const auto begin = std::chrono::steady_clock::now();
    auto status = services.fleet.describe(target.uid);
    if (status && (status->state == State::kReady || status->state == State::kUnloaded)) {
        renew(services, caller, target.uid, keep_alive);
        co_return std::chrono::nanoseconds(0);  // an unloaded one is loaded by the request itself
    }
    if (status && status->state == State::kStopping) {
        (void)co_await services.fleet.wait_ready(target.uid);  // until it is gone
        status = services.fleet.describe(target.uid);
    }
    Status ready = ok();
    if (status && status->state == State::kAsleep) {
        ready = co_await services.fleet.wake(target.uid);
    } else if (status && (status->state != State::kFailed || !target.launch)) {
        ready = co_await services.fleet.wait_ready(target.uid);
    } else if (target.launch && !caller.may(api::Scope::kLaunch)) {
        co_return Error(Code::kPermissionDenied,
                        fmt::format("model '{}' is not loaded, and this key may not load models", target.name),
                        "ask for a model that is loaded, or use a key with the scope launch");
    } else if (target.launch) {
        target.launch->keep_alive = keep_alive.value_or(kUsualKeepAlive);
        const auto uid = co_await services.fleet.launch(std::move(*target.launch));
        if (!uid && uid.error().code != Code::kAlreadyExists) {  // it exists when two requests came at once
            co_return uid.error();
        }
        ready = co_await services.fleet.wait_ready(target.uid);
    } else {
        ready = Error(Code::kNotFound, fmt::format("model '{}' not found", target.name));
    }
    if (!ready) {
        co_return ready.error();
    }
    renew(services, caller, target.uid, keep_alive);
    co_return std::chrono::steady_clock::now() - begin;
}

}  // namespace gantry::dialects::ollama
