#pragma once

/// What the requests of embeddings, rerank, score and classify have in common.

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/exchange.hpp"
#include "api/http/services.hpp"
#include "base/json.hpp"
#include "runtime/encoder/types.hpp"

namespace gantry::dialects::encode {

using Answer = boost::asio::awaitable<api::Outcome>;

/// Inputs of one request, at most.
constexpr size_t kMaxInputs = 8192;

struct Call {
    std::string model;
    encoder::EncodeRequest request;
};

/// Model, user, priority, deadline, what is cut. Errors stay in the reader.
void read_common(json::Reader& reader, Call& call);

/// A text, or an object with a "text"; anything else is an error of `name`.
std::string read_text(json::Reader& reader, std::string_view name, const boost::json::value& value);
/// A field that holds one text or a list of them, under the first of the names that is there; empty with an error in
/// the reader where there is none.
std::vector<std::string> read_texts(json::Reader& reader, std::initializer_list<std::string_view> names);

/// Fields that nobody asked for go into X-Gantry-Ignored; the reader's error, if it has one.
std::optional<api::ApiError> close(json::Reader& reader, api::Exchange& exchange);

/// Runs the call as a request of this id.
boost::asio::awaitable<Result<encoder::EncodeResult>> run(api::Services& services, api::Exchange& exchange, Call call,
                                                          std::string id);

/// Whether the model makes vectors: such ones score by their cosines.
bool embeds(const api::Services& services, std::string_view model);

/// Appends the shortest text that reads back as the same float.
void append_float(float value, std::string& out);
/// {"prompt_tokens", "total_tokens"}, as a member of its own.
boost::json::object usage(uint64_t tokens);
int64_t unix_now();
api::Outcome json_text(std::string body);

}  // namespace gantry::dialects::encode
