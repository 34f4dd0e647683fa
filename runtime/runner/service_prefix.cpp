// The runner's routes that save and restore computed texts:
//
//   POST /prefix/save     {"name", "input": {"text" | "tokens" | "messages"...}, "cache_salt"?} -> {"tokens", "bytes"}
//   POST /prefix/restore  {"name", "cache_salt"?}                                              -> {"tokens"}
//
// The KV blocks cross between the engine's thread, which has the model, and the pool of long prompts, which may block
// on files.

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cctype>
#include <filesystem>
#include <optional>
#include <utility>

#include "runtime/plugins/json.hpp"
#include "runtime/runner/service.hpp"

namespace gantry::runner {
namespace asio = boost::asio;
namespace json = boost::json;
namespace {

using engine::PrefixArchive;

constexpr size_t kMaxName = 100;

/// What another thread will say. Made, and waited for, on the io thread.
template <class T>
class Reply : public std::enable_shared_from_this<Reply<T>> {
  public:
    explicit Reply(asio::any_io_executor executor)
        : executor_(executor), wake_(std::move(executor), asio::steady_timer::time_point::max()) {}

    /// To be called once, by any thread.
    std::function<void(Result<T>)> taker() {
        return [self = this->shared_from_this()](Result<T> value) {
            asio::post(self->executor_, [self, value = std::make_shared<Result<T>>(std::move(value))] {
                self->value_.emplace(std::move(*value));
                self->wake_.cancel();
            });
        };
    }
    asio::awaitable<Result<T>> get() {
        while (!value_) {
            boost::system::error_code ec;
            co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        }
        co_return std::move(*value_);
    }

  private:
    asio::any_io_executor executor_;
    asio::steady_timer wake_;
    std::optional<Result<T>> value_;
};

/// A file's name that is safe in every folder.
bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && name.front() != '.' &&
           std::ranges::all_of(
               name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
}

asio::awaitable<Status> write_file(std::shared_ptr<const PrefixArchive> archive, std::string path) {
    co_return engine::write_archive(*archive, path);
}

asio::awaitable<Result<PrefixArchive>> read_file(std::string path) { co_return engine::read_archive(path); }

}  // namespace

asio::awaitable<Result<json::object>> Service::transfer(const http::Request& request) {
    GANTRY_CO_CHECK_OK(check_ready());
    if (engine_ == nullptr) {
        co_return Error{Code::kInvalidArgument, "the model writes no text, and has nothing to save"};
    }
    boost::system::error_code ec;
    json::value body = json::parse(request.body, ec);
    if (ec || !body.is_object()) {
        co_return Error{Code::kInvalidArgument, "the body is not a JSON object"};
    }
    if (prefix_dir_.empty()) {
        co_return Error{Code::kFailedPrecondition, "the server has no folder for saved texts", "set paths.data_dir"};
    }
    const std::string name = plugins::json_text(body, "name");
    if (!is_plain_name(name)) {
        co_return Error{Code::kInvalidArgument, "name is \"" + name.substr(0, kMaxName) +
                                                    "\"; it must have 1 to 100 letters, digits, dots, dashes and "
                                                    "underscores, and not begin with a dot"};
    }
    std::string path = (std::filesystem::path(prefix_dir_) / (name + ".kv")).string();
    if (request.path == "/prefix/restore") {
        std::string salt = plugins::json_text(body, "cache_salt");
        co_return co_await restore_prefix(std::move(path), std::move(salt));
    }
    body.get_object().erase("name");
    GANTRY_CO_TRY(engine::GenerateRequest parsed, engine::generate_request_from_json(body));
    if (!parsed.adapter.empty()) {
        co_return Error{Code::kUnimplemented, "texts that were computed with an adapter cannot be saved"};
    }
    GANTRY_CO_TRY(engine::EngineRequest text, co_await prepare(std::move(parsed)));
    GANTRY_CO_CHECK_OK(check_ready());
    co_return co_await save_prefix(std::move(path), std::move(text));
}

asio::awaitable<Result<json::object>> Service::save_prefix(std::string path, engine::EngineRequest text) {
    const auto reply = std::make_shared<Reply<PrefixArchive>>(executor_);
    engine_->export_prefix(std::move(text.prompt), std::move(text.params.cache_salt), reply->taker());
    GANTRY_CO_TRY(PrefixArchive exported, co_await reply->get());
    const auto archive = std::make_shared<const PrefixArchive>(std::move(exported));
    auto writing = write_file(archive, std::move(path));
    GANTRY_CO_CHECK_OK(co_await asio::co_spawn(long_prompts_, std::move(writing), asio::use_awaitable));
    json::object out;
    out["tokens"] = archive->tokens.size();
    out["bytes"] = archive->blocks.size();
    co_return out;
}

asio::awaitable<Result<json::object>> Service::restore_prefix(std::string path, std::string salt) {
    auto reading = read_file(std::move(path));
    GANTRY_CO_TRY(PrefixArchive archive,
                  co_await asio::co_spawn(long_prompts_, std::move(reading), asio::use_awaitable));
    GANTRY_CO_CHECK_OK(check_ready());  // reading takes time, in which the model may have been stopped
    const auto reply = std::make_shared<Reply<uint32_t>>(executor_);
    engine_->import_prefix(std::move(archive), std::move(salt), reply->taker());
    GANTRY_CO_TRY(const uint32_t tokens, co_await reply->get());
    json::object out;
    out["tokens"] = tokens;
    co_return out;
}

}  // namespace gantry::runner
