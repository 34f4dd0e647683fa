// GET /v1/engines: which of our engines can run which forms of a model, by their own account.

#include <optional>
#include <utility>

#include "api/dialects/xinference/describe.hpp"
#include "api/dialects/xinference/handlers.hpp"
#include "api/dialects/xinference/registrations.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

/// A form of a model: as clients are shown it, and as a launch that means it.
struct Form {
    bj::object shown;
    fleet::LaunchRequest request;
};

/// What an engine says to all of them.
struct Verdict {
    bj::array forms;  ///< those that it can run
    std::string why;  ///< why it cannot run the first that it cannot
};

std::string text_of(const bj::object& object, std::string_view key) {
    const bj::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// Why a plugin cannot be used; empty when it can.
std::string objection(const bj::object& plugin) {
    if (const bj::value* error = plugin.if_contains("error"); error && error->is_object()) {
        return text_of(error->get_object(), "message");
    }
    const bj::value* devices = plugin.if_contains("devices");
    if (!devices || !devices->is_array() || devices->get_array().empty()) {
        const std::string why = text_of(plugin, "why");
        return why.empty() ? "it offers no device on this machine" : why;
    }
    return {};
}

/// An LLM's forms name a size and list quantisations, others name theirs.
Form form_of(const std::string& type, const std::string& name, const bj::object& spec) {
    Form out;
    const auto member = [&](const char* key) {
        const bj::value* value = spec.if_contains(key);
        return value ? *value : bj::value(nullptr);
    };
    out.shown = bj::object{{"model_name", name}, {"model_format", member("model_format")}};
    if (type == "LLM") {
        out.shown["model_size_in_billions"] = member("model_size_in_billions");
        out.shown["quantizations"] = bj::array{member("quantization")};
    } else {
        out.shown["quantization"] = member("quantization");
    }
    out.request.model = name;
    out.request.format = text_of(spec, "model_format");
    if (const bj::value* size = spec.if_contains("model_size_in_billions"); size && !size->is_null()) {
        out.request.size_in_billions = size->is_string() ? std::string(size->get_string()) : bj::serialize(*size);
    }
    const std::string quantization = text_of(spec, "quantization");
    out.request.quantization = quantization == "none" ? "" : quantization;
    return out;
}

/// Of a model's name, registered by a user or in the catalog; nullopt: unknown, or of another type than `type`.
std::optional<std::vector<Form>> forms_of(Services& services, const std::string& type, const std::string& name) {
    bj::object item;
    std::string kind;
    for (const Registration& own : registrations(services)) {
        if (own.name == name) {
            kind = own.type;
            item = registration_item(own, true);
        }
    }
    if (kind.empty()) {
        const registry::CatalogEntry* entry = services.catalog.find(name);
        if (entry == nullptr) {
            return std::nullopt;
        }
        kind = registry::model_kind_name(entry->kind);
        item = registration(*entry, true);
    }
    if (!type.empty() && type != kind) {
        return std::nullopt;
    }
    std::vector<Form> out;
    const bj::value* specs = item.if_contains("model_specs");
    for (const bj::value& spec : specs && specs->is_array() ? specs->get_array() : bj::array{item}) {
        out.push_back(form_of(kind, text_of(item, "model_name"), spec.get_object()));
    }
    return out;
}

/// Before an engine is asked about files, it is asked about the machine.
std::map<std::string, Verdict> engines_of(const bj::value& report) {
    std::map<std::string, Verdict> out;
    const bj::value* plugins = report.is_object() ? report.get_object().if_contains("plugins") : nullptr;
    if (plugins && plugins->is_array()) {
        for (const bj::value& plugin : plugins->get_array()) {
            out[text_of(plugin.get_object(), "id")].why = objection(plugin.get_object());
        }
    }
    return out;
}

/// Without files there is nothing that an engine could look at: what has a device stays possible.
void add_unseen(const Form& form, const std::map<std::string, Verdict>& machine, std::map<std::string, Verdict>& out) {
    for (const auto& [engine, on_machine] : machine) {
        if (on_machine.why.empty()) {
            out[engine].forms.emplace_back(form.shown);
        }
    }
}

}  // namespace

Answer query_engines(Services& services, Exchange& exchange) {
    const auto forms = forms_of(services, exchange.param("type"), exchange.param("name"));
    if (!forms) {
        co_return api::json_response(nullptr);  // upstream's way to say "unknown"
    }
    const Result<bj::value> report = co_await services.fleet.backends();
    if (!report) {
        co_return ApiError(report.error());
    }
    const std::map<std::string, Verdict> machine = engines_of(*report);
    std::map<std::string, Verdict> verdicts = machine;
    for (const Form& form : *forms) {
        fleet::LaunchRequest request = form.request;
        auto fits = Result<std::vector<fleet::EngineFit>>(Error());
        if (const Status found = apply_registration(services, request); found) {
            fits = co_await services.fleet.assess(std::move(request));
        }
        if (!fits) {
            add_unseen(form, machine, verdicts);
            continue;
        }
        for (const fleet::EngineFit& fit : *fits) {
            Verdict& verdict = verdicts[fit.engine];
            if (!fit.cannot) {
                verdict.forms.emplace_back(form.shown);
            } else if (verdict.why.empty()) {
                verdict.why = fit.cannot->message;
            }
        }
    }
    bj::object out;
    for (const auto& [engine, verdict] : verdicts) {
        out[engine] = verdict.forms.empty() ? bj::value(verdict.why) : bj::value(verdict.forms);
    }
    co_return api::json_response(std::move(out));
}

}  // namespace gantry::dialects::xinference
