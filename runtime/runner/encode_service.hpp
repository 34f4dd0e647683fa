#pragma once

/// The runner's route POST /encode: from the request's JSON through tokenizer and engine to rows of float32.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json.hpp>
#include <cstdint>
#include <memory>

#include "base/http/server.hpp"
#include "runtime/encoder/encoder_engine.hpp"
#include "runtime/runner/text_encoder.hpp"

namespace gantry::runner {

/// Used on the io thread. Keep it alive (a shared pointer) while encode() runs.
class EncodeService {
  public:
    EncodeService(boost::asio::any_io_executor executor, std::shared_ptr<encoder::EncoderEngine> engine,
                  std::shared_ptr<const TextEncoder> texts)
        : executor_(std::move(executor)), engine_(std::move(engine)), texts_(std::move(texts)) {}

    /// Answers, or says why not. Long texts are tokenised on `helpers`. A client that leaves takes its inputs back.
    boost::asio::awaitable<Status> encode(const http::Request& request, http::Responder& responder,
                                          boost::asio::thread_pool& helpers);
    boost::json::object stats() const;
    /// Ends the engine: what runs gets kUnavailable, and the model's memory is given back.
    void close() { engine_.reset(); }

  private:
    using Prepared = Result<TextEncoder::Prepared>;
    boost::asio::awaitable<Prepared> prepare(const std::string& body, boost::asio::thread_pool& helpers);

    boost::asio::any_io_executor executor_;
    std::shared_ptr<encoder::EncoderEngine> engine_;
    std::shared_ptr<const TextEncoder> texts_;
    uint64_t last_id_ = 0;
};

}  // namespace gantry::runner
