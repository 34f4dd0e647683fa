#include "api/dialects/routes.hpp"
#include "api/dialects/descriptions.hpp"
#include "api/dialects/xinference/handlers.hpp"

namespace gantry::dialects {

namespace {

using api::Scope;
namespace x = xinference;

constexpr api::Route kRoutes[] = {
    {"POST", "/v1/models", Scope::kLaunch, x::launch_model},
    {"GET", "/v1/models", Scope::kRead, x::list_models},
    {"GET", "/v1/models/instances", Scope::kRead, x::list_instances},
    {"GET", "/v1/models/vllm-supported", Scope::kModelsList, x::vllm_models},
    {"GET", "/v1/models/{uid}", Scope::kRead, x::describe_model},
    {"DELETE", "/v1/models/{uid}", Scope::kLaunch, x::terminate_model},
    {"GET", "/v1/models/{uid}/progress", Scope::kInference, x::launch_progress},
    {"POST", "/v1/models/{uid}/cancel", Scope::kLaunch, x::cancel_launch},
    {"POST", "/v1/models/{uid}/requests/{request_id}/abort", Scope::kInference, x::abort_request},
    {"GET", "/v1/models/{uid}/replicas", Scope::kRead, x::list_replicas},
    {"POST", "/v1/models/{uid}/replicas", Scope::kModelsWrite, x::add_replica},
    {"DELETE", "/v1/models/{uid}/replicas/{replica_id}", Scope::kModelsWrite, x::remove_replica},
    {"GET", "/v1/models/{uid}/events", Scope::kModelsRead, x::model_events},
    {"POST", "/v1/models/{uid}/reload", Scope::kModelsWrite, x::reload_model},
    {"GET", "/v1/models/{uid}/reload", Scope::kModelsList, x::reload_status},
    {"GET", "/v1/models/{uid}/reload/config", Scope::kModelsList, x::reload_config},
    {"POST", "/v1/api/relaunch", Scope::kAdmin, x::relaunch_api},
    {"GET", "/v1/api-relaunches", Scope::kAdmin, x::list_relaunches},
    {"GET", "/v1/api-relaunches/{operation}", Scope::kAdmin, x::get_relaunch},
    {"POST", "/v1/supervisor/relaunch", Scope::kAdmin, x::relaunch_supervisor},
    {"GET", "/v1/supervisor-relaunches", Scope::kAdmin, x::list_relaunches},
    {"GET", "/v1/supervisor-relaunches/{operation}", Scope::kAdmin, x::get_relaunch},
    {"POST", "/v1/workers/{address}/relaunch", Scope::kAdmin, x::relaunch_worker},
    {"GET", "/v1/worker-relaunches", Scope::kAdmin, x::list_relaunches},
    {"GET", "/v1/worker-relaunches/{operation}", Scope::kAdmin, x::get_relaunch},
    {"GET", "/v1/autostart/models", Scope::kModelsWrite, x::autostart_list},
    {"GET", "/v1/autostart/models/summary", Scope::kModelsList, x::autostart_summary},
    {"POST", "/v1/autostart/models", Scope::kModelsWrite, x::autostart_upsert},
    {"DELETE", "/v1/autostart/models/{uid}", Scope::kModelsWrite, x::autostart_remove},
    {"GET", "/v1/cache/models", Scope::kModelsList, x::cached_models},
    {"GET", "/v1/cache/models/files", Scope::kModelsList, x::cached_files},
    {"DELETE", "/v1/cache/models", Scope::kModelsWrite, x::remove_cached},
    {"DELETE", "/v1/clusters", Scope::kAdmin, x::abort_cluster},
    {"POST", "/v1/model_registrations/{type}", Scope::kModelsWrite, x::register_model},
    {"DELETE", "/v1/model_registrations/{type}/{name}", Scope::kModelsWrite, x::unregister_model},
    {"GET", "/v1/model_registrations/{type}", Scope::kRead, x::list_registrations},
    {"GET", "/v1/model_registrations/{type}/{name}", Scope::kRead, x::get_registration},
    {"GET", "/v1/engines/{name}", Scope::kRead, x::query_engines},
    {"GET", "/v1/engines/{type}/{name}", Scope::kRead, x::query_engines},
    {"GET", "/v1/cluster/version", Scope::kAdmin, x::cluster_version},
    {"GET", "/v1/cluster/info", Scope::kAdmin, x::cluster_info},
    {"GET", "/v1/cluster/devices", Scope::kRead, x::cluster_devices},
    {"GET", "/v1/address", Scope::kPublic, x::address},
    {"GET", "/v1/workers", Scope::kAdmin, x::workers},
    {"GET", "/v1/supervisor", Scope::kAdmin, x::supervisor},
    {"GET", "/status", Scope::kPublic, x::server_status},
    {"POST", "/v1/audio/embeddings", Scope::kInference, x::audio_model, "Refused: there are no such models"},
    {"POST", "/v1/images/inpainting", Scope::kInference, x::image_model, "Refused likewise"},
    {"POST", "/v1/images/ocr", Scope::kInference, x::image_model, "Refused likewise"},
    {"POST", "/v1/video/generations", Scope::kInference, x::video_model, "Refused likewise"},
    {"POST", "/v1/video/generations/image", Scope::kInference, x::video_model, "Refused likewise"},
    {"POST", "/v1/video/generations/flf", Scope::kInference, x::video_model, "Refused likewise"},
    {"POST", "/v1/worlds/generations", Scope::kInference, x::world_model, "Refused likewise"},
    {"POST", "/v1/flexible/infers", Scope::kInference, x::flexible_model, "Refused likewise"},
    {"GET", "/v1/requests/{id}/progress", Scope::kModelsRead, x::request_progress,
     "Refused: no model here makes pictures or videos"},
};

}  // namespace

api::RouteTable xinference_routes() { return {kRoutes, xinference_description()}; }

}  // namespace gantry::dialects
