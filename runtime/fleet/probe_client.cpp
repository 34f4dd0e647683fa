#include "runtime/fleet/probe_client.hpp"

#include <signal.h>
#include <unistd.h>

#include <boost/asio/use_awaitable.hpp>

#include "runtime/fleet/child_process.hpp"
#include "runtime/plugins/json.hpp"

namespace gantry::fleet {
namespace asio = boost::asio;
namespace json = boost::json;
using plugins::error_from_json;

namespace {

PluginReport read_plugin(const json::value& value) {
    PluginReport out;
    out.id = plugins::json_text(value, "id");
    out.why = plugins::json_text(value, "why");
    const json::object& object = value.get_object();
    if (const json::value* error = object.if_contains("error")) {
        out.error = error_from_json(*error);
    }
    if (const json::value* devices = object.if_contains("devices"); devices != nullptr && devices->is_array()) {
        for (const json::value& device : devices->get_array()) {
            out.devices.push_back(plugins::device_from_json(device));
        }
    }
    if (const json::value* assess = object.if_contains("assess"); assess != nullptr && assess->is_object()) {
        if (const json::value* error = assess->get_object().if_contains("error")) {
            out.cannot = error_from_json(*error);
        } else {
            out.assessment = plugins::assessment_from_json(*assess);
        }
    }
    return out;
}

}  // namespace

asio::awaitable<Result<json::value>> run_probe_process(asio::any_io_executor executor, std::string program,
                                                       plugins::ProbeRequest request) {
    enum { kIn, kOut };
    const std::vector<std::string> arguments{program, "probe"};
    const std::vector<PipeSpec> pipes{{STDIN_FILENO, PipeDirection::kToChild},
                                      {STDOUT_FILENO, PipeDirection::kFromChild}};
    GANTRY_CO_TRY(const std::unique_ptr<ChildProcess> child, ChildProcess::start(executor, arguments, pipes));
    GANTRY_CO_CHECK_OK(co_await write_all(child->pipe(kIn), json::serialize(plugins::to_json(request))));
    child->pipe(kIn).close();
    PipeLines lines(child->pipe(kOut));
    const std::optional<std::string> line = co_await lines.next();
    const auto exit = co_await child->wait(std::chrono::seconds(5));
    boost::system::error_code ec;
    json::value answer = line ? json::parse(*line, ec) : json::value();
    if (!line || ec || !answer.is_object()) {
        co_return Error{Code::kUnavailable,
                        "'" + program + " probe' gave no answer: " + (exit ? exit->text() : "it does not end"),
                        "run it by hand to see why"};
    }
    if (const json::value* error = answer.get_object().if_contains("error")) {
        co_return error_from_json(*error);
    }
    co_return answer;
}

ProbeReport read_report(const json::value& answer) {
    ProbeReport out;
    const json::object& object = answer.get_object();
    if (const json::value* list = object.if_contains("plugins"); list != nullptr && list->is_array()) {
        for (const json::value& plugin : list->get_array()) {
            if (plugin.is_object()) {
                out.plugins.push_back(read_plugin(plugin));
            }
        }
    }
    if (const json::value* model = object.if_contains("model"); model != nullptr && model->is_object()) {
        out.model = model->get_object();
        if (const json::value* error = out.model.if_contains("error")) {
            out.model_error = error_from_json(*error);
        }
    }
    return out;
}

}  // namespace gantry::fleet
