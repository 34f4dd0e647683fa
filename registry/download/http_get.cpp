// Whole answers, and what answers mean.

#include <charconv>
#include <condition_variable>
#include <mutex>

#include "registry/download/hosts.hpp"
#include "registry/download/http_client.hpp"

namespace gantry::download {
namespace {

bool worth_another_try(const Result<HttpReply>& result) {
    if (!result) {
        return result.error().code == Code::kUnavailable || result.error().code == Code::kDeadlineExceeded;
    }
    return result->status == 408 || result->status == 429 || result->status >= 500;
}

}  // namespace

std::string HttpReply::header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
}

std::optional<uint32_t> HttpReply::retry_after() const {
    const std::string text = header("retry-after");
    uint32_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size() ? std::optional(seconds)
                                                                                     : std::nullopt;
}

Error reply_error(const HttpReply& reply) {
    const auto parts = parse_url(reply.url);
    const std::string host = parts ? parts->host : reply.url;
    // Hubs say in a header what is wrong; their pages are for browsers.
    const std::string said = reply.header("x-error-message");
    const std::string what =
        host + " answers " + std::to_string(reply.status) + (said.empty() ? "" : ": " + said.substr(0, 300));
    switch (reply.status) {
        case 401:
            return {Code::kUnauthenticated, what, "it does not exist, or needs a token (HF_TOKEN for Hugging Face)"};
        case 403:
            return {Code::kPermissionDenied, what, "accept the model's terms on its page, or use another token"};
        case 404:
            return {Code::kNotFound, what};
        case 429:
            return {Code::kResourceExhausted, what, "the host limits requests: try again later"};
        default:
            return {reply.status >= 500 ? Code::kUnavailable : Code::kInvalidArgument, what};
    }
}

bool back_off(const NetworkSettings& settings, uint32_t tried, std::optional<uint32_t> retry_after,
              const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kMost{30'000};
    constexpr std::chrono::seconds kMostAsked{300};
    auto wait = settings.first_backoff;
    for (uint32_t i = 1; i < tried && wait < kMost; ++i) {
        wait *= 2;
    }
    wait = std::min(wait, kMost);
    if (retry_after) {
        wait = std::max(wait, std::chrono::milliseconds(std::min(std::chrono::seconds(*retry_after), kMostAsked)));
    }
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, wait, [] { return false; });
    return !stop.stop_requested();
}

Result<HttpReply> HttpClient::get_once(const HttpRequest& request, const std::stop_token& stop, size_t limit) {
    struct Shared {
        std::mutex mutex;
        std::condition_variable_any changed;
        std::optional<Result<HttpReply>> result;
        std::string body;
        bool too_large = false;
    };
    const auto shared = std::make_shared<Shared>();
    const auto transfer = start(
        request,
        [shared, limit](const HttpReply&, std::string_view piece) {
            shared->too_large = shared->body.size() + piece.size() > limit;
            shared->body.append(shared->too_large ? std::string_view() : piece);
            return !shared->too_large;
        },
        [shared](Result<HttpReply> result) {
            const std::lock_guard lock(shared->mutex);
            shared->result = std::move(result);
            shared->changed.notify_all();
        });
    std::unique_lock lock(shared->mutex);
    if (!shared->changed.wait(lock, stop, [&] { return shared->result.has_value(); })) {
        cancel(transfer);
        shared->changed.wait(lock, [&] { return shared->result.has_value(); });
    }
    if (shared->too_large) {
        return Error{Code::kTooLarge, request.url + " answers with more than " + std::to_string(limit) + " bytes"};
    }
    Result<HttpReply> result = std::move(*shared->result);
    if (result && !shared->body.empty()) {
        result->text = std::move(shared->body);
    }
    return result;
}

Result<HttpReply> HttpClient::get(const HttpRequest& request, std::stop_token stop, size_t limit) {
    for (uint32_t tried = 1;; ++tried) {
        auto result = get_once(request, stop, limit);
        if (!worth_another_try(result) || tried >= settings().attempts ||
            !back_off(settings(), tried, result ? result->retry_after() : std::nullopt, stop)) {
            return result;
        }
    }
}

}  // namespace gantry::download
