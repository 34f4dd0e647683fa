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

#include "base/http/server.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/plugins/plugin.hpp"
#include "runtime/runner/generation.hpp"
#include "runtime/runner/prompt.hpp"

namespace gantry::runner {

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
    /// Refuses what comes, ends what runs with kUnavailable, and frees the model.
    void shut_down();

    boost::asio::awaitable<void> handle(http::Request request, http::Responder& responder);

  private:
    boost::asio::awaitable<void> events(std::string name, http::Responder& responder);
    std::shared_ptr<Generation> generation_for(const http::Request& request) const;
    boost::asio::awaitable<Status> generate(const http::Request& request, http::Responder& responder);
    boost::asio::awaitable<Result<engine::EngineRequest>> prepare(engine::GenerateRequest request);
    http::Response answer(const http::Request& request);
    Result<boost::json::object> call(const http::Request& request);
    Result<boost::json::object> tokenize(const boost::json::object& body) const;
    Result<boost::json::object> detokenize(const boost::json::object& body) const;
    boost::json::object stats() const;
    Status check_ready() const;

    boost::asio::any_io_executor executor_;
    std::string uid_;
    std::shared_ptr<Outbox> outbox_;
    boost::asio::thread_pool long_prompts_{1};  ///< where long prompts are tokenised
    std::map<std::string, std::shared_ptr<Channel>> channels_;
    bool stopping_ = false;
    uint64_t next_id_ = 1;
    std::shared_ptr<const Prompter> prompter_;
    std::shared_ptr<plugins::Backend> backend_;
    std::shared_ptr<engine::Engine> engine_;
};

}  // namespace gantry::runner
