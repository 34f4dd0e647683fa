#pragma once

/// The runner's HTTP routes (see runner.hpp). Used on the io thread.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/http/server.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/plugins/plugin.hpp"
#include "runtime/runner/encode_service.hpp"
#include "runtime/runner/generation.hpp"
#include "runtime/runner/prompt.hpp"

namespace gantry::runner {

/// A request's body; kInvalidArgument for anything but an object.
Result<boost::json::object> json_body(const http::Request& request);
/// Whether a path is one of those that change the model.
bool is_control(std::string_view path);

class Service : public std::enable_shared_from_this<Service> {
  public:
    Service(boost::asio::any_io_executor executor, std::string uid);
    ~Service();

    /// For EngineOptions::after_turn of the engine that set_ready() gets.
    std::function<void()> flush() const {
        return [outbox = outbox_] { outbox->flush(); };
    }
    /// From now on requests are served; before, they get 503.
    void set_ready(std::shared_ptr<engine::Engine> engine, std::shared_ptr<const Prompter> prompter,
                   std::shared_ptr<plugins::Backend> backend);
    /// The same for a model that encodes.
    void set_encoder(std::shared_ptr<EncodeService> encoder, std::shared_ptr<const Prompter> prompter,
                     std::shared_ptr<plugins::Backend> backend);
    /// The folder of saved texts; empty: there is none.
    void keep_prefixes_in(std::string folder) { prefix_dir_ = std::move(folder); }
    /// Refuses what comes, ends what runs with kUnavailable, and frees the model.
    void shut_down();

    /// What makes the model again after it was put to sleep: set_ready follows, and `done` is called.
    using Wake = std::function<void(std::function<void(Status)> done)>;
    void set_wake(Wake wake, std::function<void()> on_sleep) {
        wake_ = std::move(wake);
        on_sleep_ = std::move(on_sleep);
    }

    /// Every adapter that the model has now, name -> path; what a waking model is to be given.
    const std::map<std::string, std::string>& adapters() const { return adapters_; }
    void set_adapters(std::map<std::string, std::string> adapters) { adapters_ = std::move(adapters); }

    boost::asio::awaitable<void> handle(http::Request request, http::Responder& responder);

  private:
    boost::asio::awaitable<void> events(std::string name, http::Responder& responder);
    std::shared_ptr<Generation> generation_for(const http::Request& request) const;
    boost::asio::awaitable<Status> generate(const http::Request& request, http::Responder& responder);
    boost::asio::awaitable<Result<boost::json::object>> transfer(const http::Request& request);
    boost::asio::awaitable<Result<boost::json::object>> save_prefix(std::string path, engine::EngineRequest text);
    boost::asio::awaitable<Result<boost::json::object>> restore_prefix(std::string path, std::string salt);
    boost::asio::awaitable<Result<engine::EngineRequest>> prepare(engine::GenerateRequest request);
    http::Response answer(const http::Request& request);
    /// Routes that change the model: adapters, sleep and wake, abort.
    boost::asio::awaitable<Result<boost::json::object>> control(const http::Request& request);
    boost::asio::awaitable<Result<boost::json::object>> load_adapter(const boost::json::object& body);
    boost::asio::awaitable<Result<boost::json::object>> drop_adapter(const boost::json::object& body);
    Result<boost::json::object> sleep();
    boost::asio::awaitable<Result<boost::json::object>> wake();
    Result<boost::json::object> abort(const boost::json::object& body);
    /// Waits for what `start` hands its answer to, from any thread.
    boost::asio::awaitable<Status> wait_for(std::function<void(std::function<void(Status)>)> start);
    Result<boost::json::object> call(const http::Request& request);
    Result<boost::json::object> tokenize(const boost::json::object& body) const;
    Result<boost::json::object> detokenize(const boost::json::object& body) const;
    boost::json::object stats() const;
    Status check_ready() const;
    /// check_ready(), and that the model generates.
    Status check_generates() const;
    void close_encoder();
    bool ready() const { return engine_ != nullptr || encoder_ != nullptr; }

    boost::asio::any_io_executor executor_;
    std::string uid_;
    std::string prefix_dir_;
    std::shared_ptr<Outbox> outbox_;
    boost::asio::thread_pool long_prompts_{1};  ///< where long prompts are tokenised
    std::map<std::string, std::shared_ptr<Channel>> channels_;
    bool stopping_ = false;
    bool asleep_ = false;
    Wake wake_;
    std::function<void()> on_sleep_;
    std::map<std::string, std::string> adapters_;
    uint64_t next_id_ = 1;
    std::shared_ptr<const Prompter> prompter_;
    std::shared_ptr<plugins::Backend> backend_;
    std::shared_ptr<engine::Engine> engine_;
    std::shared_ptr<EncodeService> encoder_;  ///< instead of engine_
};

}  // namespace gantry::runner
