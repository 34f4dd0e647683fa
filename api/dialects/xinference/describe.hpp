#pragma once

/// Launched models and catalog entries in Xinference's forms.

#include <boost/json.hpp>
#include <string>

#include "registry/catalog.hpp"
#include "runtime/fleet/fleet.hpp"

namespace gantry::dialects::xinference {

/// Whether a model is served: these are listed.
bool is_listed(fleet::State state);
bool is_launching(fleet::State state);

/// 7 for 7e9, "0_5" for half a billion.
boost::json::value size_in_billions(uint64_t parameters);

/// The description of a running model, with OpenAI's id, object, created and owned_by in front.
boost::json::object describe(const fleet::ModelStatus& model, const std::string& address);
/// The list's entry of an adapter of a model: OpenAI's, with vLLM's `parent` and `root`.
boost::json::object describe_adapter(const fleet::ModelStatus& model, const std::string& name);

/// READY, LOADING, CREATING, TERMINATING, ERROR.
std::string_view instance_status(fleet::State state);
boost::json::object instance(const fleet::ModelStatus& model, const std::string& address);
boost::json::object replica(const fleet::ModelStatus& model, const fleet::ReplicaStatus& one,
                            const std::string& address);
/// All of a model; at least one.
boost::json::array replicas(const fleet::ModelStatus& model, const std::string& address);
/// The answer of /progress, over all replicas; with nullptr that for an unknown uid.
boost::json::object progress(const fleet::ModelStatus* model);

/// One item of /v1/model_registrations.
boost::json::object registration(const registry::CatalogEntry& entry, bool detailed);

}  // namespace gantry::dialects::xinference
