#include "runtime/fleet/launch_codec.hpp"

#include <utility>

#include "base/json.hpp"

namespace gantry::fleet {
namespace json = boost::json;
namespace {

/// Applies `f(name, member)` to every field; one list for both directions.
template <class Request, class F>
void each_field(Request& r, F&& f) {
    f("model", r.model);
    f("uid", r.uid);
    f("engine", r.engine);
    f("format", r.format);
    f("size_in_billions", r.size_in_billions);
    f("quantization", r.quantization);
    f("model_path", r.model_path);
    f("tool_parser", r.tool_parser);
    f("reasoning_parser", r.reasoning_parser);
    f("template_kwargs", r.template_kwargs);
    f("context", r.context);
    f("max_sequences", r.max_sequences);
    f("threads", r.threads);
    f("speculative", r.speculative);
    f("draft_model", r.draft_model);
    f("draft_tokens", r.draft_tokens);
    f("options", r.options);
    f("adapters", r.adapters);
    f("adapter_dirs", r.adapter_dirs);
    f("wake_on_request", r.wake_on_request);
    f("keep_alive", r.keep_alive);
    f("on_demand", r.on_demand);
    f("pinned", r.pinned);
    f("evict", r.evict);
    f("replicas", r.replicas);
    f("request_limit", r.request_limit);
}

struct Write {
    json::object out;

    void operator()(const char* name, const std::string& text) {
        if (!text.empty()) {
            out[name] = text;
        }
    }
    void operator()(const char* name, bool flag) {
        if (flag) {
            out[name] = true;
        }
    }
    void operator()(const char* name, uint32_t number) { out[name] = int64_t{number}; }
    void operator()(const char* name, const std::optional<uint32_t>& number) {
        if (number) {
            out[name] = int64_t{*number};
        }
    }
    void operator()(const char* name, const std::optional<std::chrono::seconds>& time) {
        if (time) {
            out[name] = static_cast<int64_t>(time->count());
        }
    }
    void operator()(const char* name, const std::map<std::string, std::string>& texts) {
        if (!texts.empty()) {
            json::object all;
            for (const auto& [key, text] : texts) {
                all[key] = text;
            }
            out[name] = std::move(all);
        }
    }
    void operator()(const char* name, const std::vector<std::string>& texts) {
        if (!texts.empty()) {
            out[name] = json::array(texts.begin(), texts.end());
        }
    }
};

struct Read {
    gantry::json::Reader& reader;

    void operator()(const char* name, std::string& text) { text = reader.string(name).value_or(""); }
    void operator()(const char* name, bool& flag) { flag = reader.boolean(name).value_or(false); }
    void operator()(const char* name, uint32_t& number) {
        number = static_cast<uint32_t>(reader.integer(name, 0, UINT32_MAX).value_or(number));
    }
    void operator()(const char* name, std::optional<uint32_t>& number) {
        if (const auto given = reader.integer(name, 0, UINT32_MAX)) {
            number = static_cast<uint32_t>(*given);
        }
    }
    void operator()(const char* name, std::optional<std::chrono::seconds>& time) {
        if (const auto given = reader.integer(name)) {
            time = std::chrono::seconds(*given);
        }
    }
    void operator()(const char* name, std::map<std::string, std::string>& texts) {
        if (const json::object* all = reader.object(name)) {
            for (const auto& [key, text] : *all) {
                if (!text.is_string()) {
                    reader.fail(name, "must hold texts only");
                    return;
                }
                texts[std::string(key)] = std::string(text.get_string());
            }
        }
    }
    void operator()(const char* name, std::vector<std::string>& texts) {
        texts = reader.strings(name).value_or(std::vector<std::string>());
    }
};

}  // namespace

json::object to_json(const LaunchRequest& request) {
    Write write;
    each_field(request, write);
    return std::move(write.out);
}

Result<LaunchRequest> launch_from_json(const json::value& value) {
    if (!value.is_object()) {
        return Error{Code::kDataLoss, "a recorded launch is no JSON object"};
    }
    gantry::json::Reader reader(value.get_object());
    LaunchRequest out;
    each_field(out, Read{reader});
    if (const Status read = reader.status(); !read) {
        return Error{Code::kDataLoss, "a recorded launch cannot be read: " + read.error().message};
    }
    return out;
}

}  // namespace gantry::fleet
