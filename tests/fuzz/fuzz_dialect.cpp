// Requests of one dialect, straight into the router before a fleet without processes: whatever the body, there is one
// whole answer, it is of a documented kind, and it is never a failure of the server. Linked once for each dialect, with
// a fuzz_dialect_name.c that says which.
//
// Input: a byte for the route, a byte for the variant (bit 0: a query; bit 1: the header that marks Anthropic's
// clients; bit 2: the path's parameter is one that is known), a line for the path's parameter or the query, then the
// body.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "tests/api/api_fixture.hpp"

extern "C" const char* gantry_fuzz_dialect(void);

namespace gantry::test {
namespace {

api::RouteTable fuzzed_routes() {
    using Routes = api::RouteTable (*)();
    const std::string_view name = gantry_fuzz_dialect();
    for (const auto& [dialect, routes] :
         std::initializer_list<std::pair<std::string_view, Routes>>{{"openai", dialects::openai_routes},
                                                                    {"encode", dialects::encode_routes},
                                                                    {"xinference", dialects::xinference_routes},
                                                                    {"ollama", dialects::ollama_routes},
                                                                    {"anthropic", dialects::anthropic_routes},
                                                                    {"responses", dialects::responses_routes},
                                                                    {"gantry", dialects::gantry_routes}}) {
        if (name == dialect) {
            return routes();
        }
    }
    std::abort();
}

/// Does not play scripts that a request cannot have: its vectors have as many dimensions as they say.
class FuzzFleet final : public FakeFleet {
  public:
    using FakeFleet::FakeFleet;

    asio::awaitable<Result<encoder::EncodeResult>> encode(std::string uid, encoder::EncodeRequest request) override {
        if (const auto model = describe(uid); !model) {
            co_return model.error();
        }
        encoder::EncodeResult out;
        out.width = request.task == encoder::Task::kScore ? 1 : std::min<uint32_t>(request.dimensions.value_or(3), 16);
        for (size_t i = 0; i < request.inputs.size(); ++i) {
            out.values.insert(out.values.end(), out.width, 0.5F);
            out.prompt_tokens.push_back(2);
        }
        co_return out;
    }
    asio::awaitable<Result<bj::value>> call(std::string uid, std::string path, bj::value) override {
        if (const auto model = describe(uid); !model) {
            co_return model.error();
        }
        if (path == "/tokenize") {
            co_return bj::value(bj::object{{"ids", bj::array{1, 2}}, {"tokens", bj::array{"a", "b"}}});
        }
        if (path == "/detokenize") {
            co_return bj::value(bj::object{{"text", "ab"}, {"tokens", bj::array{"a", "b"}}});
        }
        co_return bj::value(bj::object{{"text", "ab"}, {"prompt", "ab"}, {"running", 0}, {"waiting", 0}});
    }

    /// As before the first request.
    void begin() {
        models.clear();
        requests.clear();
        encodes.clear();
        launches.clear();
        plans.clear();
        touches.clear();
        scripts.clear();
        add("m");
        auto& vectors = add("e");
        vectors.abilities = {"embed"};
        vectors.encoder.emplace();
        vectors.encoder->width = 3;
    }
};

struct Front {
    Front() {
        log::setup(log::Level::kOff, log::Format::kText);
        services.access_log = false;
    }

    asio::io_context io;
    FuzzFleet fleet{io.get_executor()};
    metrics::Registry metrics;
    registry::Catalog catalog;
    api::Services services{fleet, metrics, catalog};
    api::Router router{services, {fuzzed_routes()}};
};

void fail(const http::Request& request, const http::Response& response, const char* what) {
    std::fprintf(stderr, "%s %s: %s: %d %.*s\n", request.method.c_str(), request.target.c_str(), what, response.status,
                 static_cast<int>(std::min<size_t>(response.body.size(), 500)), response.body.data());
    std::abort();
}

void judge(const http::Request& request, const RecordingResponder& answer) {
    const http::Response& response = answer.response;
    if (!answer.whole) {
        fail(request, response, "no whole answer");
    }
    if (response.status < 200 || response.status == 500 || response.status == 502 || response.status > 507) {
        fail(request, response, "a failure of the server");
    }
    const auto type = response.headers.find("Content-Type").value_or("");
    if (type.starts_with("application/json")) {
        boost::system::error_code ec;
        const bj::value value = bj::parse(response.body, ec, {}, {.max_depth = 1000});
        if (ec) {
            fail(request, response, "not JSON");
        }
        if (response.status >= 400 && !(value.is_object() && value.get_object().contains("error"))) {
            fail(request, response, "no error object");
        }
    }
}

int one(std::string_view input) {
    static const auto front = std::make_unique<Front>();
    if (input.size() < 3) {
        return 0;
    }
    const std::vector<api::Route>& routes = front->router.routes();
    const api::Route& route = routes[static_cast<unsigned char>(input[0]) % routes.size()];
    const auto variant = static_cast<unsigned char>(input[1]);
    input.remove_prefix(2);
    const std::string_view word = input.substr(0, input.find('\n'));
    http::Request request;
    request.method = std::string(route.method);
    for (std::string_view rest = route.pattern; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find('{'));
        request.target += part;
        rest.remove_prefix(part.size());
        if (!rest.empty()) {
            request.target += (variant & 4) != 0 || word.empty() ? std::string("m") : http::percent_encode(word);
            rest.remove_prefix(rest.find('}') + 1);
        }
    }
    if ((variant & 1) != 0) {
        request.target += '?' + std::string(word);
    }
    if ((variant & 2) != 0) {
        request.headers.set("anthropic-version", "2023-06-01");
    }
    request.body = input.substr(std::min(input.size(), word.size() + 1));
    if (!http::split_target(request)) {
        return 0;
    }
    // An endless answer: it ends with its client, and has nothing to decode.
    if (route.pattern == "/gantry/v1/events" || route.pattern.ends_with("/logs")) {
        return 0;
    }
    front->fleet.begin();
    RecordingResponder answer;
    const http::Request kept = request;
    auto done = asio::co_spawn(front->io, front->router.handle(std::move(request), answer), asio::use_future);
    front->io.restart();
    front->io.run();
    done.get();
    judge(kept, answer);
    return 0;
}

}  // namespace
}  // namespace gantry::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    return gantry::test::one({reinterpret_cast<const char*>(data), size});
}
