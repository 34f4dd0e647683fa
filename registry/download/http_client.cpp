#include "registry/download/http_client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/version.hpp"
#include "registry/download/hosts.hpp"

namespace gantry::download {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxRedirects = 8;
constexpr long kMaxConnections = 16;
constexpr size_t kErrorText = 4096;
constexpr size_t kMaxHeaders = 64 << 10;
constexpr auto kTick = std::chrono::milliseconds(20);  ///< how finely the rate limit is kept

struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

bool succeeded(long status) { return status >= 200 && status < 300; }
bool redirects(long status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    const auto end = text.find_last_not_of(" \t\r\n");
    return begin == std::string_view::npos ? std::string() : std::string(text.substr(begin, end - begin + 1));
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

Error cancelled() { return {Code::kCancelled, "the download was stopped"}; }

/// Libraries want this before threads exist; static initialisation of the program's one client is early enough.
void init_curl() {
    static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)done;
}

Error curl_error(CURLcode code, const std::string& url, const char* detail, const NetworkSettings& settings) {
    const auto parts = parse_url(url);
    const std::string host = parts ? parts->host : url;
    const std::string why = detail != nullptr && *detail != '\0' ? detail : curl_easy_strerror(code);
    switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
            return {Code::kDeadlineExceeded, host + " did not answer in time: " + why,
                    "it can be resumed; registry.stall_timeout_s is the limit"};
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
            return {Code::kPermissionDenied, "the certificate of " + host + " cannot be trusted: " + why,
                    "registry.ca_file names further authorities"};
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
            return {Code::kUnavailable, "the connection to " + host + " broke: " + why};
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_CONNECT:
            return {Code::kUnavailable, host + " cannot be reached: " + why,
                    settings.proxy.empty() ? "is there a proxy? registry.proxy or https_proxy names it" : ""};
        default:
            return {Code::kUnavailable, "the transfer from " + host + " failed: " + why};
    }
}

}  // namespace

struct HttpClient::Transfer {
    HttpRequest request;
    OnBody on_body;
    OnEnd on_end;
    Impl* owner = nullptr;
    std::atomic<bool> stopped{false};

    // The rest belongs to the client's thread.
    std::unique_ptr<CURL, FreeEasy> easy;
    std::unique_ptr<curl_slist, FreeList> list;
    std::array<char, CURL_ERROR_SIZE> detail{};
    std::string url;
    HttpReply reply;
    std::map<std::string, std::string> hop;  ///< headers of the answer that comes in
    size_t header_bytes = 0;
    int hops = 0;
    bool paused = false, refused = false;
};

struct HttpClient::Impl {
    using TransferPtr = std::shared_ptr<Transfer>;

    explicit Impl(NetworkSettings s) : settings(std::move(s)) {
        init_curl();
        multi.reset(curl_multi_init());
        // Parts of a file go over connections of their own: that is what they are parts for.
        curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
        curl_multi_setopt(multi.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, kMaxConnections);
        thread = std::thread([this] { run(); });
    }

    void run();
    void admit(const TransferPtr& transfer);
    Status begin(Transfer& transfer);
    void finish(CURL* easy, CURLcode code);
    void end(TransferPtr transfer, Result<HttpReply> result);
    void refill();
    bool follow(Transfer& transfer, std::optional<Error>& error);
    static size_t on_header(char* data, size_t size, size_t count, void* self);
    static size_t on_data(char* data, size_t size, size_t count, void* self);

    NetworkSettings settings;
    std::unique_ptr<CURLM, FreeMulti> multi;
    std::mutex mutex;
    std::deque<TransferPtr> added;  ///< under the mutex
    bool closing = false;           ///< likewise
    std::vector<TransferPtr> active;
    double budget = 0;  ///< bytes that may be taken now
    Clock::time_point refilled = Clock::now();
    std::thread thread;
};

size_t HttpClient::Impl::on_header(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view line(data, size * count);
    transfer.header_bytes += line.size();
    if (transfer.header_bytes > kMaxHeaders) {
        return 0;
    }
    if (line.starts_with("HTTP/")) {
        transfer.hop.clear();  // one of several: "100 Continue", a proxy's
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
        transfer.hop[lower(trimmed(line.substr(0, colon)))] = trimmed(line.substr(colon + 1));
    }
    return line.size();
}

size_t HttpClient::Impl::on_data(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    Impl& owner = *transfer.owner;
    const std::string_view piece(data, size * count);
    if (owner.settings.bytes_per_second != 0) {
        if (owner.budget <= 0) {
            transfer.paused = true;
            return CURL_WRITEFUNC_PAUSE;
        }
        owner.budget -= static_cast<double>(piece.size());
    }
    HttpReply& reply = transfer.reply;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &reply.status);
    if (redirects(reply.status)) {
        return piece.size();
    }
    if (!succeeded(reply.status)) {
        reply.text.append(piece.substr(0, kErrorText - std::min(kErrorText, reply.text.size())));
        return piece.size();
    }
    reply.headers.insert(transfer.hop.begin(), transfer.hop.end());
    if (transfer.stopped || !transfer.on_body(reply, piece)) {
        transfer.refused = true;
        return 0;
    }
    return piece.size();
}

Status HttpClient::Impl::begin(Transfer& transfer) {
    GANTRY_CHECK_OK(check_url(transfer.url, settings.hosts));
    GANTRY_TRY(const UrlParts here, parse_url(transfer.url));
    GANTRY_TRY(const UrlParts origin, parse_url(transfer.request.url));
    transfer.easy.reset(curl_easy_init());
    CURL* easy = transfer.easy.get();
    if (easy == nullptr) {
        return Error{Code::kInternal, "libcurl gives no handle"};
    }
    curl_slist* list = nullptr;
    for (const std::string& header : transfer.request.headers) {
        list = curl_slist_append(list, header.c_str());
    }
    if (!transfer.request.token.empty() && here.same_origin(origin)) {
        list = curl_slist_append(list, ("Authorization: Bearer " + transfer.request.token).c_str());
    }
    transfer.list.reset(list);
    transfer.hop.clear();
    transfer.header_bytes = 0;
    transfer.detail[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_URL, transfer.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, ("gantry/" + std::string(kVersion)).c_str());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOBODY, transfer.request.head ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings.stall_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.detail.data());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    if (!settings.ca_file.empty()) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, settings.ca_file.c_str());
    }
    if (!settings.proxy.empty()) {
        curl_easy_setopt(easy, CURLOPT_PROXY, settings.proxy.c_str());
    }
    if (transfer.request.first) {
        const std::string range = std::to_string(*transfer.request.first) + "-" +
                                  (transfer.request.last ? std::to_string(*transfer.request.last) : std::string());
        curl_easy_setopt(easy, CURLOPT_RANGE, range.c_str());
    }
    curl_multi_add_handle(multi.get(), easy);
    return ok();
}

void HttpClient::Impl::end(TransferPtr transfer, Result<HttpReply> result) {
    std::erase(active, transfer);
    const OnEnd on_end = std::move(transfer->on_end);
    transfer->on_body = nullptr;
    transfer->easy.reset();
    on_end(std::move(result));
}

void HttpClient::Impl::admit(const TransferPtr& transfer) {
    active.push_back(transfer);
    const Status begun = settings.offline
                             ? Status(Error{Code::kFailedPrecondition, "Gantry is offline: nothing is downloaded",
                                            "registry.offline = false lets it"})
                             : begin(*transfer);
    if (!begun) {
        end(transfer, begun.error());
    }
}

/// Goes to where an answer redirects; false where that is an end.
bool HttpClient::Impl::follow(Transfer& transfer, std::optional<Error>& error) {
    const auto location = transfer.hop.find("location");
    if (!redirects(transfer.reply.status) || location == transfer.hop.end()) {
        return false;
    }
    for (const auto& [name, value] : transfer.hop) {
        if (name.starts_with("x-linked-") || name == "x-repo-commit") {
            transfer.reply.headers.insert({name, value});
        }
    }
    if (++transfer.hops > kMaxRedirects) {
        error = Error{Code::kUnavailable, transfer.request.url + " redirects in circles"};
        return false;
    }
    auto next = join_url(transfer.url, location->second);
    if (next) {
        transfer.url = std::move(*next);
        const Status begun = begin(transfer);
        error = begun ? std::nullopt : std::optional(begun.error());
    } else {
        error = next.error();
    }
    return !error;
}

void HttpClient::Impl::finish(CURL* easy, CURLcode code) {
    Transfer* raw = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &raw);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &raw->reply.status);
    curl_multi_remove_handle(multi.get(), easy);
    const auto found = std::ranges::find_if(active, [&](const TransferPtr& t) { return t.get() == raw; });
    TransferPtr transfer = *found;
    if (transfer->stopped || transfer->refused) {
        return end(std::move(transfer), cancelled());
    }
    if (code != CURLE_OK) {
        Error error = curl_error(code, transfer->url, transfer->detail.data(), settings);
        return end(std::move(transfer), std::move(error));
    }
    std::optional<Error> error;
    if (follow(*transfer, error)) {
        return;
    }
    if (error) {
        return end(std::move(transfer), std::move(*error));
    }
    transfer->reply.headers.insert(transfer->hop.begin(), transfer->hop.end());
    transfer->reply.url = transfer->url;
    HttpReply reply = std::move(transfer->reply);
    end(std::move(transfer), std::move(reply));
}

/// Lets paused transfers go on, the most important first, as far as the rate allows.
void HttpClient::Impl::refill() {
    if (settings.bytes_per_second == 0) {
        return;
    }
    const auto now = Clock::now();
    const auto rate = static_cast<double>(settings.bytes_per_second);
    // What was not used is not saved up: a pause is followed by no burst of more than a few ticks.
    budget = std::min(budget + rate * std::chrono::duration<double>(now - refilled).count(), std::max(rate / 10, 1.0));
    refilled = now;
    if (budget <= 0) {
        return;
    }
    std::vector<TransferPtr> waiting;
    std::ranges::copy_if(active, std::back_inserter(waiting), [](const TransferPtr& t) { return t->paused; });
    std::ranges::stable_sort(waiting,
                             [](const auto& a, const auto& b) { return a->request.priority > b->request.priority; });
    for (const TransferPtr& transfer : waiting) {
        if (budget <= 0) {
            break;
        }
        transfer->paused = false;
        curl_easy_pause(transfer->easy.get(), CURLPAUSE_CONT);
    }
}

void HttpClient::Impl::run() {
    while (true) {
        std::deque<TransferPtr> fresh;
        bool close = false;
        {
            const std::lock_guard lock(mutex);
            fresh.swap(added);
            close = closing;
        }
        for (const TransferPtr& transfer : fresh) {
            admit(transfer);
        }
        const std::vector<TransferPtr> all = active;
        for (const TransferPtr& transfer : all) {
            if (close || transfer->stopped) {
                curl_multi_remove_handle(multi.get(), transfer->easy.get());
                end(transfer, cancelled());
            }
        }
        if (close) {
            return;
        }
        int running = 0;
        curl_multi_perform(multi.get(), &running);
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
            if (message->msg == CURLMSG_DONE) {
                finish(message->easy_handle, message->data.result);
            }
        }
        refill();
        const bool limited = settings.bytes_per_second != 0 && !active.empty();
        curl_multi_poll(multi.get(), nullptr, 0, limited ? static_cast<int>(kTick.count()) : 1000, nullptr);
    }
}

HttpClient::HttpClient(NetworkSettings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}

HttpClient::~HttpClient() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->closing = true;
    }
    curl_multi_wakeup(impl_->multi.get());
    impl_->thread.join();
}

const NetworkSettings& HttpClient::settings() const { return impl_->settings; }

std::shared_ptr<HttpClient::Transfer> HttpClient::start(HttpRequest request, OnBody on_body, OnEnd on_end) {
    auto transfer = std::make_shared<Transfer>();
    transfer->url = request.url;
    transfer->request = std::move(request);
    transfer->on_body = std::move(on_body);
    transfer->on_end = std::move(on_end);
    transfer->owner = impl_.get();
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->added.push_back(transfer);
    }
    curl_multi_wakeup(impl_->multi.get());
    return transfer;
}

void HttpClient::cancel(const std::shared_ptr<Transfer>& transfer) {
    transfer->stopped = true;
    curl_multi_wakeup(impl_->multi.get());
}

}  // namespace gantry::download
