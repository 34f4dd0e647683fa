/// Compiles the input as a chat template and renders it with variables of every kind. A hostile template may fail; it
/// may not crash, leak or take long.

#include <boost/json.hpp>

#include "runtime/text/chat_template.hpp"

namespace {

const boost::json::object& variables() {
    static const boost::json::object kVariables =
        boost::json::parse(
            R"({"s": "Hello, Wörld", "n": 7, "f": 2.5, "b": true, "z": null, "xs": [3, 1, 2], "d": {"a": 1, "b": [2]},
                "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null,
                "tool_calls": [{"function": {"name": "f", "arguments": {"k": 1}}}]}]})")
            .as_object();
    return kVariables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto compiled = gantry::text::ChatTemplate::compile({reinterpret_cast<const char*>(data), size});
    if (compiled) {
        (void)compiled->render(variables(), std::chrono::sys_seconds{});
    }
    return 0;
}
