#include "api/dialects/xinference/describe.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/http/error_response.hpp"

namespace gantry::dialects::xinference {

namespace bj = boost::json;
using fleet::ModelStatus;
using fleet::State;

namespace {

/// Xinference's word for our "gguf" and "safetensors".
std::string upstream_format(const std::string& format) {
    return format == "gguf" ? "ggufv2" : format == "safetensors" ? "pytorch" : format;
}

bj::array strings(const std::vector<std::string>& list) { return bj::array(list.begin(), list.end()); }

}  // namespace

bool is_listed(State state) { return state == State::kReady || state == State::kAsleep || state == State::kRestarting; }

bool is_launching(State state) {
    return state == State::kResolving || state == State::kPlacing || state == State::kStarting ||
           state == State::kLoading || state == State::kWarming;
}

bj::value size_in_billions(uint64_t parameters) {
    const double billions = static_cast<double>(parameters) / 1e9;
    if (billions >= 2.5) {
        return std::llround(billions);
    }
    std::string text = billions < 0.05 ? fmt::format("{:.3f}", billions) : fmt::format("{:.1f}", billions);
    while (text.back() == '0') {
        text.pop_back();
    }
    if (text.back() == '.') {
        text.pop_back();
        return std::stoll(text);
    }
    std::replace(text.begin(), text.end(), '.', '_');
    return bj::value(text);
}

namespace {

/// Models that encode texts have fewer words; "classify" is no type of Xinference's.
bj::object describe_encoder(const ModelStatus& model, const std::string& address) {
    const std::string ability = model.abilities.empty() ? std::string() : model.abilities.front();
    bj::object out{{"id", model.uid},
                   {"object", "model"},
                   {"created", model.created},
                   {"owned_by", "gantry"},
                   {"model_type", ability == "embed" ? "embedding" : ability},
                   {"address", address},
                   {"accelerators", bj::array()},
                   {"model_name", model.model_name},
                   {"model_ability", strings(model.abilities)},
                   {"language", bj::array()},
                   {"model_format", upstream_format(model.format)},
                   {"model_hub", nullptr},
                   {"model_revision", nullptr},
                   {"quantization", model.quantization},
                   {"max_tokens", model.context_length},
                   {"model_engine", model.engine},
                   {"replica", std::max<size_t>(1, model.replicas.size())}};
    if (ability == "embed") {
        out["dimensions"] = model.encoder->width;
        out["matryoshka_dimensions"] = bj::array(model.encoder->dimensions.begin(), model.encoder->dimensions.end());
        out["prompts"] = strings(model.encoder->prompts);
    } else {
        out["type"] = "normal";
        out["labels"] = strings(model.encoder->labels);
    }
    return out;
}

}  // namespace

bj::object describe(const ModelStatus& model, const std::string& address) {
    if (model.encoder) {
        return describe_encoder(model, address);
    }
    const bool strict = model.chat_template.find("System message must be at the beginning") != std::string::npos;
    return bj::object{{"id", model.uid},
                      {"object", "model"},
                      {"created", model.created},
                      {"owned_by", "gantry"},
                      {"model_type", "LLM"},
                      {"address", address},
                      {"accelerators", bj::array()},
                      {"model_name", model.model_name},
                      {"model_lang", bj::array()},
                      {"model_ability", strings(model.abilities)},
                      {"model_description", nullptr},
                      {"model_format", upstream_format(model.format)},
                      {"model_size_in_billions", size_in_billions(model.parameter_count)},
                      {"model_family", model.architecture},
                      {"quantization", model.quantization},
                      {"multimodal_projector", nullptr},
                      {"model_hub", nullptr},
                      {"revision", nullptr},
                      {"context_length", model.context_length},
                      {"strict_system_first", strict},
                      {"model_engine", model.engine},
                      {"replica", std::max<size_t>(1, model.replicas.size())}};
}

bj::object describe_adapter(const ModelStatus& model, const std::string& name) {
    return bj::object{{"id", model.uid + ":" + name},
                      {"object", "model"},
                      {"created", model.created},
                      {"owned_by", "gantry"},
                      {"parent", model.uid},
                      {"root", model.adapters.at(name)},
                      {"model_type", "LLM"},
                      {"model_name", name},
                      {"model_ability", strings(model.abilities)},
                      {"context_length", model.context_length}};
}

namespace {

double progress_of(State state, uint64_t done, uint64_t total) {
    switch (state) {
        case State::kResolving:
            return 0;
        case State::kPlacing:
            return 0.02;
        case State::kStarting:
            return 0.05;
        case State::kLoading:
            return 0.05 +
                   (total == 0 ? 0.0 : 0.9 * std::min(1.0, static_cast<double>(done) / static_cast<double>(total)));
        case State::kWarming:
            return 0.97;
        case State::kReady:
        case State::kAsleep:
            return 1;
        default:
            return 0;
    }
}

}  // namespace

std::string_view instance_status(State state) {
    switch (state) {
        case State::kReady:
        case State::kAsleep:  // Xinference has no word for it; replicas show the state itself
            return "READY";
        case State::kFailed:
            return "ERROR";
        case State::kStopping:
            return "TERMINATING";
        case State::kLoading:
        case State::kWarming:
        case State::kRestarting:
            return "LOADING";
        default:
            return "CREATING";
    }
}

bj::object replica(const ModelStatus& model, const fleet::ReplicaStatus& one, const std::string& address) {
    return bj::object{{"replica_id", one.id},
                      {"replica_model_uid", model.uid + "-rep" + std::to_string(one.id)},
                      {"worker_address", address},
                      {"model_address", nullptr},
                      {"accelerators", nullptr},
                      {"status", instance_status(one.state)},
                      {"model_state", fleet::state_name(one.state)},
                      {"created_ts", one.created},
                      {"error_message", one.error ? bj::value(one.error->text()) : bj::value(nullptr)},
                      {"replica_uid", nullptr},
                      {"gpu_idx", nullptr}};
}

bj::array replicas(const ModelStatus& model, const std::string& address) {
    bj::array out;
    for (const fleet::ReplicaStatus& one : model.replicas) {
        out.emplace_back(replica(model, one, address));
    }
    if (out.empty()) {  // before its first process
        out.emplace_back(
            replica(model, {0, model.uid, model.state, model.pid, model.created, 0, model.error, {}, 0, 0}, address));
    }
    return out;
}

bj::object instance(const ModelStatus& model, const std::string& address) {
    bj::array all = replicas(model, address);
    return bj::object{{"model_name", model.model_name},
                      {"model_uid", model.uid},
                      {"model_version", nullptr},
                      {"model_ability", strings(model.abilities)},
                      {"replica", all.size()},
                      {"status", instance_status(model.state)},
                      {"instance_created_ts", model.created},
                      {"n_worker", 1},
                      {"replica_statuses", std::move(all)}};
}

bj::object progress(const ModelStatus* model) {
    if (!model) {
        return bj::object{
            {"progress", 0.0}, {"stage", "pending"}, {"download_files", bj::array()}, {"replicas", bj::array()}};
    }
    std::vector<fleet::ReplicaStatus> processes = model->replicas;
    if (processes.empty()) {  // before its first process
        processes.push_back({0, model->uid, model->state, model->pid, model->created, 0, model->error, model->stage,
                             model->bytes_done, model->bytes_total});
    }
    // A launch is through when its last replica is: that one's stage is the launch's.
    const fleet::ReplicaStatus* last = &processes.front();
    double sum = 0, least = 2;
    bj::array all;
    for (const fleet::ReplicaStatus& one : processes) {
        const double done = progress_of(one.state, one.bytes_done, one.bytes_total);
        sum += done;
        if (done < least) {
            least = done;
            last = &one;
        }
        all.emplace_back(bj::object{{"replica_id", one.id},
                                    {"replica_model_uid", model->uid + "-rep" + std::to_string(one.id)},
                                    {"progress", done},
                                    {"stage", fleet::state_name(one.state)},
                                    {"info", one.stage},
                                    {"bytes_done", one.bytes_done},
                                    {"bytes_total", one.bytes_total},
                                    {"updated_at", nullptr},
                                    {"download_files", bj::array()}});
    }
    return bj::object{{"progress", sum / static_cast<double>(processes.size())},
                      {"stage", fleet::state_name(last->state)},
                      {"download_files", bj::array()},
                      {"replicas", std::move(all)}};
}

bj::object registration(const registry::CatalogEntry& entry, bool detailed) {
    bj::object out{{"model_name", entry.name}, {"is_builtin", entry.built_in}};
    if (!detailed) {
        return out;
    }
    out["version"] = 2;
    out["model_type"] = registry::model_kind_name(entry.kind);
    out["model_description"] = entry.description;
    out["context_length"] = entry.context_length;
    if (entry.kind != registry::ModelKind::kLlm) {
        out["max_tokens"] = entry.context_length;
        out["language"] = strings(entry.languages);
    }
    if (entry.dimensions > 0) {
        out["dimensions"] = entry.dimensions;
    }
    if (!entry.family.empty()) {
        out[entry.kind == registry::ModelKind::kRerank ? "type" : "model_family"] = entry.family;
    }
    out["model_lang"] = strings(entry.languages);
    out["model_ability"] = strings(entry.abilities);
    out["architectures"] = strings(entry.architectures);
    out["stop"] = strings(entry.stop);
    out["stop_token_ids"] = bj::array(entry.stop_token_ids.begin(), entry.stop_token_ids.end());
    out["tool_parser"] = entry.tool_parser.empty() ? bj::value(nullptr) : bj::value(entry.tool_parser);
    bj::array specs, hubs;
    for (const registry::ModelSpec& spec : entry.specs) {
        for (const auto& [hub, id] : spec.hubs) {
            if (std::find(hubs.begin(), hubs.end(), bj::value(hub)) == hubs.end()) {
                hubs.emplace_back(hub);
            }
        }
        const std::vector<std::string> quantizations =
            spec.quantizations.empty() ? std::vector<std::string>{"none"} : spec.quantizations;
        for (const std::string& quantization : quantizations) {
            const bool anywhere = !spec.hubs.empty();
            const std::string hub = anywhere ? spec.hubs.begin()->first : std::string();
            specs.emplace_back(
                bj::object{{"model_format", upstream_format(spec.format)},
                           {"model_size_in_billions", spec.size_in_billions},
                           {"quantization", quantization},
                           {"model_hub", anywhere ? bj::value(hub) : bj::value(nullptr)},
                           {"model_id", anywhere ? bj::value(spec.repository(hub, quantization)) : bj::value(nullptr)},
                           {"model_revision", spec.revision.empty() ? bj::value(nullptr) : bj::value(spec.revision)},
                           {"cache_status", !spec.path.empty()}});
        }
    }
    out["download_hubs"] = std::move(hubs);
    out["model_specs"] = std::move(specs);
    return out;
}

}  // namespace gantry::dialects::xinference
