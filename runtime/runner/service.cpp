#include "runtime/runner/service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "base/http/error_response.hpp"
#include "base/log.hpp"
#include "runtime/plugins/json.hpp"
#include "runtime/runner/stats_json.hpp"

namespace gantry::runner {
namespace asio = boost::asio;
namespace json = boost::json;
namespace {

/// Below this a prompt is tokenised at once: it takes less time than going to another thread and back.
constexpr size_t kShortText = 16 * 1024;

/// Those of the members that are there must be true or false.
Status check_flags(const json::object& body, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        const json::value* value = body.if_contains(name);
        if (value != nullptr && !value->is_bool()) {
            return Error{Code::kInvalidArgument, "'" + std::string(name) + "' must be true or false"};
        }
    }
    return ok();
}

http::Response json_response(const json::value& value, int status = 200) {
    http::Response out;
    out.status = status;
    out.headers.set("Content-Type", "application/json");
    out.body = json::serialize(value);
    return out;
}

/// Cancels in the engine what the connection no longer waits for.
class CancelGuard {
  public:
    CancelGuard(std::weak_ptr<engine::Engine> engine, std::string id, std::shared_ptr<Generation> generation)
        : engine_(std::move(engine)), id_(std::move(id)), generation_(std::move(generation)) {}
    CancelGuard(const CancelGuard&) = delete;
    CancelGuard& operator=(const CancelGuard&) = delete;
    ~CancelGuard() {
        if (const auto engine = engine_.lock(); engine && !generation_->ended()) {
            engine->cancel(id_);
        }
    }

  private:
    std::weak_ptr<engine::Engine> engine_;
    std::string id_;
    std::shared_ptr<Generation> generation_;
};

}  // namespace

Result<json::object> json_body(const http::Request& request) {
    boost::system::error_code ec;
    json::value value = json::parse(request.body, ec);
    if (ec || !value.is_object()) {
        return Error{Code::kInvalidArgument, "the body is not a JSON object"};
    }
    return std::move(value.get_object());
}

Service::Service(asio::any_io_executor executor, std::string uid)
    : executor_(executor), uid_(std::move(uid)), outbox_(std::make_shared<Outbox>(std::move(executor))) {}

Service::~Service() { long_prompts_.join(); }

void Service::set_ready(std::shared_ptr<engine::Engine> engine, std::shared_ptr<const Prompter> prompter,
                        std::shared_ptr<plugins::Backend> backend) {
    engine_ = std::move(engine);
    prompter_ = std::move(prompter);
    backend_ = std::move(backend);
    asleep_ = false;
}

void Service::set_encoder(std::shared_ptr<EncodeService> encoder, std::shared_ptr<const Prompter> prompter,
                          std::shared_ptr<plugins::Backend> backend) {
    encoder_ = std::move(encoder);
    prompter_ = std::move(prompter);
    backend_ = std::move(backend);
    asleep_ = false;
}

void Service::close_encoder() {
    if (encoder_ != nullptr) {
        std::exchange(encoder_, nullptr)->close();
    }
}

void Service::shut_down() {
    stopping_ = true;
    engine_.reset();
    close_encoder();
    // Behind the last events, which the engine has put on their way just now.
    asio::post(executor_, [self = shared_from_this()] {
        for (const auto& [name, channel] : self->channels_) {
            channel->end();
        }
    });
}

Status Service::check_generates() const {
    GANTRY_CHECK_OK(check_ready());
    if (engine_ == nullptr) {
        return Error{Code::kInvalidArgument,
                     "model '" + uid_ + "' encodes texts; it generates none, and has no adapters and no chats"};
    }
    return ok();
}

Status Service::check_ready() const {
    if (ready()) {
        return ok();
    }
    return Error{Code::kUnavailable, "model '" + uid_ +
                                         (stopping_ ? "' is stopping"
                                          : asleep_ ? "' is asleep"
                                                    : "' is still loading")};
}

asio::awaitable<void> Service::handle(http::Request request, http::Responder& responder) {
    if (request.path == "/generate" || request.path == "/chat") {
        if (const auto status = co_await generate(request, responder); !status && !responder.started()) {
            (void)co_await responder.send(http::error_response(status.error()));
        }
        co_return;
    }
    if (request.path == "/encode") {
        Status status = check_ready();
        if (status && encoder_ == nullptr) {
            status = Error{Code::kInvalidArgument,
                           "model '" + uid_ + "' generates text; it makes no embeddings and no scores"};
        }
        if (status) {
            const std::shared_ptr<EncodeService> encoder = encoder_;
            status = co_await encoder->encode(request, responder, long_prompts_);
        }
        if (!status && !responder.started()) {
            (void)co_await responder.send(http::error_response(status.error()));
        }
        co_return;
    }
    if (request.path == "/events") {
        co_await events(std::string(request.query_value("channel").value_or("")), responder);
        co_return;
    }
    const bool transfers = request.path == "/prefix/save" || request.path == "/prefix/restore";
    if (transfers || is_control(request.path)) {
        auto done = transfers ? transfer(request) : control(request);
        const auto result = co_await std::move(done);
        http::Response response = result ? json_response(*result) : http::error_response(result.error());
        (void)co_await responder.send(std::move(response));
        co_return;
    }
    (void)co_await responder.send(answer(request));
}

asio::awaitable<void> Service::events(std::string name, http::Responder& responder) {
    if (name.empty() || channels_.contains(name) || stopping_) {
        const Error error(Code::kInvalidArgument, "a channel needs a name of its own", "ask for /events?channel=NAME");
        (void)co_await responder.send(http::error_response(error));
        co_return;
    }
    const auto channel = std::make_shared<Channel>(executor_);
    // The entry goes with the connection, however it ends.
    const std::shared_ptr<void> entry(nullptr, [this, name](void*) { channels_.erase(name); });
    channels_.emplace(name, channel);
    http::Headers headers;
    headers.set("Content-Type", "application/x-ndjson");
    if (!co_await responder.start(200, std::move(headers))) {
        co_return;
    }
    while (auto lines = co_await channel->next()) {
        if (!co_await responder.write(std::move(*lines))) {
            co_return;
        }
    }
    (void)co_await responder.finish();
}

/// Where the request's events go: to the channel that it names, if there is one.
std::shared_ptr<Generation> Service::generation_for(const http::Request& request) const {
    const auto found = channels_.find(std::string(request.headers.find("X-Gantry-Channel").value_or("")));
    const std::string_view text = request.headers.find("X-Gantry-Stream").value_or("");
    uint64_t number = 0;
    const bool numbered = std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc();
    return found != channels_.end() && numbered ? std::make_shared<Generation>(executor_, found->second, number)
                                                : std::make_shared<Generation>(executor_);
}

http::Response Service::answer(const http::Request& request) {
    if (request.path == "/health") {
        const char* status = ready() ? "ok" : stopping_ ? "stopping" : asleep_ ? "asleep" : "loading";
        return json_response(json::object{{"status", status}, {"uid", uid_}}, ready() ? 200 : 503);
    }
    const auto result = call(request);
    return result ? json_response(*result) : http::error_response(result.error());
}

asio::awaitable<Status> Service::generate(const http::Request& request, http::Responder& responder) {
    GANTRY_CO_CHECK_OK(check_generates());
    boost::system::error_code ec;
    const json::value body = json::parse(request.body, ec);
    if (ec) {
        co_return Error{Code::kInvalidArgument, "the body is not JSON: " + ec.message()};
    }
    GANTRY_CO_TRY(engine::GenerateRequest parsed, engine::generate_request_from_json(body));
    if (parsed.id.empty()) {
        parsed.id = "local-" + std::to_string(next_id_++);
    }
    log::debug("request {} of trace {}", parsed.id, parsed.traceparent);
    GANTRY_CO_TRY(engine::EngineRequest prepared, co_await prepare(std::move(parsed)));
    GANTRY_CO_CHECK_OK(check_ready());  // a long prompt takes time, in which the model may have been stopped
    const auto generation = generation_for(request);
    const CancelGuard guard(engine_, prepared.id, generation);
    GANTRY_CO_CHECK_OK(
        engine_->submit(std::move(prepared), [outbox = outbox_, generation](std::vector<engine::Event> events) {
            outbox->post(generation, std::move(events));
        }));
    http::Headers headers;
    headers.set("Content-Type", "application/x-ndjson");
    if (generation->in_channel()) {
        headers.set("X-Gantry-Channel", *request.headers.find("X-Gantry-Channel"));
    }
    GANTRY_CO_CHECK_OK(co_await responder.start(200, std::move(headers)));
    while (auto lines = co_await generation->next()) {
        GANTRY_CO_CHECK_OK(co_await responder.write(std::move(*lines)));
    }
    co_return co_await responder.finish();
}

asio::awaitable<Result<engine::EngineRequest>> Service::prepare(engine::GenerateRequest request) {
    if (text_bytes(request) <= kShortText && !request.grammar) {
        co_return prompter_->prepare(std::move(request));
    }
    // Everything that the other thread touches is its own or immutable: this coroutine may be gone before it ends.
    co_return co_await asio::co_spawn(
        long_prompts_,
        [](std::shared_ptr<const Prompter> prompter,
           engine::GenerateRequest own) -> asio::awaitable<Result<engine::EngineRequest>> {
            co_return prompter->prepare(std::move(own));
        }(prompter_, std::move(request)),
        asio::use_awaitable);
}

Result<json::object> Service::call(const http::Request& request) {
    GANTRY_CHECK_OK(check_ready());
    if (request.path == "/stats") {
        return stats();
    }
    const bool known = request.path == "/tokenize" || request.path == "/detokenize" || request.path == "/template";
    if (!known) {
        return Error{Code::kNotFound, "a runner has no " + request.path,
                     "it has /generate, /chat, /encode, /tokenize, /detokenize, /template, /adapters, /abort, /sleep, "
                     "/wake, /prefix/save, /prefix/restore, /health "
                     "and /stats"};
    }
    GANTRY_TRY(const json::object body, json_body(request));
    if (request.path == "/tokenize") {
        return tokenize(body);
    }
    if (request.path == "/detokenize") {
        return detokenize(body);
    }
    GANTRY_TRY(const std::string prompt, prompter_->render_debug(body));
    return json::object{{"prompt", prompt}};
}

Result<json::object> Service::tokenize(const json::object& body) const {
    const json::value* input = body.if_contains("text");
    if (input == nullptr || !input->is_string()) {
        return Error{Code::kInvalidArgument, "'text' must be a text"};
    }
    GANTRY_CHECK_OK(check_flags(body, {"add_special", "parse_special"}));
    const text::Tokenizer& tokenizer = prompter_->tokenizer();
    const json::value options(body);
    const std::vector<int32_t> ids = tokenizer.encode(
        std::string_view(input->get_string()),
        {plugins::json_bool(options, "add_special", true), plugins::json_bool(options, "parse_special", true)});
    json::array tokens;
    for (const int32_t id : ids) {
        tokens.emplace_back(tokenizer.id_to_token(id));
    }
    return json::object{{"ids", json::array(ids.begin(), ids.end())}, {"tokens", std::move(tokens)}};
}

Result<json::object> Service::detokenize(const json::object& body) const {
    const json::value* input = body.if_contains("ids");
    const Error wrong{Code::kInvalidArgument, "'ids' must be an array of token numbers"};
    if (input == nullptr || !input->is_array()) {
        return wrong;
    }
    std::vector<int32_t> ids;
    for (const json::value& id : input->get_array()) {
        boost::system::error_code ec;
        ids.push_back(id.is_number() ? id.to_number<int32_t>(ec) : -1);
        if (!id.is_number() || ec) {
            return wrong;
        }
    }
    GANTRY_CHECK_OK(check_flags(body, {"skip_special"}));
    const bool skip_special = plugins::json_bool(json::value(body), "skip_special", true);
    json::array tokens;
    for (const int32_t id : ids) {
        tokens.emplace_back(prompter_->tokenizer().id_to_token(id));
    }
    return json::object{{"text", prompter_->tokenizer().decode(ids, skip_special)}, {"tokens", std::move(tokens)}};
}

json::object Service::stats() const {
    json::object metrics;
    for (const auto& [name, value] : backend_->metrics()) {
        metrics[name] = value;
    }
    json::object out = encoder_ != nullptr ? encoder_->stats() : stats_json(engine_->stats(), engine_->meter());
    out["plugin"] = std::move(metrics);
    return out;
}

}  // namespace gantry::runner
