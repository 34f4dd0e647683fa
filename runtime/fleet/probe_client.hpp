#pragma once

/// Asks `gantry probe` and reads its answer.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/plugins/plugin.hpp"
#include "runtime/plugins/probe.hpp"

namespace gantry::fleet {

/// What one plugin said.
struct PluginReport {
    std::string id;
    std::optional<Error> error;  ///< why it cannot be used at all
    std::vector<plugins::DeviceInfo> devices;
    std::string why;  ///< why there are no devices
    std::optional<plugins::Assessment> assessment;
    std::optional<Error> cannot;  ///< why it cannot run the model
};

/// What `gantry probe` said about a model.
struct ProbeReport {
    std::vector<PluginReport> plugins;
    boost::json::object model;
    std::optional<Error> model_error;
};

/// Runs `program probe`. Its answer is an object; kUnavailable where there is none. Cancelling kills the process.
boost::asio::awaitable<Result<boost::json::value>> run_probe_process(boost::asio::any_io_executor executor,
                                                                     std::string program,
                                                                     plugins::ProbeRequest request);

ProbeReport read_report(const boost::json::value& answer);

}  // namespace gantry::fleet
