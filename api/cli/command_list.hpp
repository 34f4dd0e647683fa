#pragma once

#include <vector>

#include "api/cli/options.hpp"

namespace gantry::cli {

/// The table itself (command_list.cpp).
std::vector<Command> command_list();

// What the commands run; one file a group. Each returns the process's exit code.
int cmd_run(const Arguments&);         // chat.cpp
int cmd_pull(const Arguments&);        // pull.cpp
int cmd_launch(const Arguments&);      // models.cpp
int cmd_ps(const Arguments&);          // models.cpp
int cmd_stop(const Arguments&);        // models.cpp
int cmd_sleep(const Arguments&);       // models.cpp
int cmd_logs(const Arguments&);        // models.cpp
int cmd_events(const Arguments&);      // models.cpp
int cmd_wake(const Arguments&);        // models.cpp
int cmd_keys(const Arguments&);        // keys.cpp
int cmd_convert(const Arguments&);     // convert.cpp
int cmd_search(const Arguments&);      // search.cpp
int cmd_show(const Arguments&);        // inspect.cpp
int cmd_tokenize(const Arguments&);    // inspect.cpp
int cmd_detokenize(const Arguments&);  // inspect.cpp
int cmd_template(const Arguments&);    // inspect.cpp
int cmd_bench(const Arguments&);       // bench.cpp
int cmd_backends(const Arguments&);    // info.cpp
int cmd_version(const Arguments&);     // info.cpp
int cmd_help(const Arguments&);        // info.cpp
int cmd_completion(const Arguments&);  // info.cpp
int cmd_man(const Arguments&);         // info.cpp
int cmd_serve(const Arguments&);       // processes.cpp
int cmd_runner(const Arguments&);      // processes.cpp
int cmd_probe(const Arguments&);       // processes.cpp

}  // namespace gantry::cli
