#pragma once

/// The handlers behind Xinference's routes, by what they are about.

#include "api/http/exchange.hpp"
#include "api/http/services.hpp"

namespace gantry::dialects::xinference {

using Answer = boost::asio::awaitable<api::Outcome>;

// models.cpp: launching and what runs
Answer launch_model(api::Services& services, api::Exchange& exchange);
Answer list_models(api::Services& services, api::Exchange& exchange);
Answer describe_model(api::Services& services, api::Exchange& exchange);
Answer terminate_model(api::Services& services, api::Exchange& exchange);
Answer launch_progress(api::Services& services, api::Exchange& exchange);
Answer abort_request(api::Services& services, api::Exchange& exchange);
Answer cancel_launch(api::Services& services, api::Exchange& exchange);
Answer list_instances(api::Services& services, api::Exchange& exchange);
Answer list_replicas(api::Services& services, api::Exchange& exchange);

// scaling.cpp: replicas, autostart, the end
Answer add_replica(api::Services& services, api::Exchange& exchange);
Answer remove_replica(api::Services& services, api::Exchange& exchange);
Answer model_events(api::Services& services, api::Exchange& exchange);
Answer autostart_list(api::Services& services, api::Exchange& exchange);
Answer autostart_summary(api::Services& services, api::Exchange& exchange);
Answer autostart_upsert(api::Services& services, api::Exchange& exchange);
Answer autostart_remove(api::Services& services, api::Exchange& exchange);
Answer abort_cluster(api::Services& services, api::Exchange& exchange);

// catalog.cpp: what could run
Answer list_registrations(api::Services& services, api::Exchange& exchange);
Answer get_registration(api::Services& services, api::Exchange& exchange);
Answer register_model(api::Services& services, api::Exchange& exchange);
Answer unregister_model(api::Services& services, api::Exchange& exchange);
Answer vllm_models(api::Services& services, api::Exchange& exchange);

// cache.cpp: whose files are here
Answer cached_models(api::Services& services, api::Exchange& exchange);
Answer cached_files(api::Services& services, api::Exchange& exchange);
Answer remove_cached(api::Services& services, api::Exchange& exchange);

// engines.cpp: by what it could be run
Answer query_engines(api::Services& services, api::Exchange& exchange);

// reload.cpp: with other parameters
Answer reload_model(api::Services& services, api::Exchange& exchange);
Answer reload_status(api::Services& services, api::Exchange& exchange);
Answer reload_config(api::Services& services, api::Exchange& exchange);
Answer relaunch_api(api::Services& services, api::Exchange& exchange);
Answer relaunch_supervisor(api::Services& services, api::Exchange& exchange);
Answer relaunch_worker(api::Services& services, api::Exchange& exchange);
Answer list_relaunches(api::Services& services, api::Exchange& exchange);
Answer get_relaunch(api::Services& services, api::Exchange& exchange);

// cluster.cpp: where it runs
Answer address(api::Services& services, api::Exchange& exchange);
Answer cluster_version(api::Services& services, api::Exchange& exchange);
Answer cluster_info(api::Services& services, api::Exchange& exchange);
Answer cluster_devices(api::Services& services, api::Exchange& exchange);
Answer server_status(api::Services& services, api::Exchange& exchange);
Answer workers(api::Services& services, api::Exchange& exchange);
Answer supervisor(api::Services& services, api::Exchange& exchange);

// media.cpp: what no model here can do
Answer audio_model(api::Services& services, api::Exchange& exchange);
Answer image_model(api::Services& services, api::Exchange& exchange);
Answer video_model(api::Services& services, api::Exchange& exchange);
Answer world_model(api::Services& services, api::Exchange& exchange);
Answer flexible_model(api::Services& services, api::Exchange& exchange);
Answer request_progress(api::Services& services, api::Exchange& exchange);

}  // namespace gantry::dialects::xinference
