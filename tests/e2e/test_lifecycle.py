"""What outlives the server: launches, registrations, aliases; and what can be watched from outside."""
import json
import os
import random
import signal
import threading
import urllib.request

from harness import Server, own_models, wait_for


def ready(server):
    return {uid for uid, m in server.models().items() if m["state"] == "ready"}


def restart(server, how=signal.SIGKILL):
    server.process.send_signal(how)
    server.process.wait(30)
    server.start()


def test_the_running_set_survives_kills_at_random_moments():
    """Launches and stops go on while the server is killed a dozen times: nothing that it acknowledged is lost."""
    dice = random.Random(4)
    wanted = set()
    with Server() as server:
        for round_ in range(12):
            uid = f"m{round_}"
            stopping = dice.choice(sorted(wanted)) if len(wanted) > 2 else None
            acknowledged = threading.Event()

            def change():
                try:
                    if stopping:
                        if server.call("DELETE", f"/v1/models/{stopping}").status == 200:
                            wanted.discard(stopping)
                        else:
                            unsure.add(stopping)
                    body = dict(model_name="gantry-demo", model_uid=uid, model_engine="auto")
                    unsure.add(uid)
                    if server.call("POST", "/v1/models?wait_ready=false", body).status == 200:
                        wanted.add(uid)
                        unsure.discard(uid)
                except (OSError, ValueError):
                    pass
                acknowledged.set()

            unsure = {stopping} if stopping else set()
            worker = threading.Thread(target=change)
            worker.start()
            acknowledged.wait(dice.random() * 0.6)
            server.process.kill()
            server.process.wait(30)
            worker.join()
            server.start()
            if stopping and stopping not in wanted:
                unsure.discard(stopping)
            (there,) = wait_for(lambda: (wanted - unsure) <= ready(server) and [server.models()], 60,
                                what="the models' return")
            assert set(there) <= wanted | unsure, "nothing comes back that was never asked for"
            wanted.intersection_update(there)
            wanted.update(there)


def test_a_clean_stop_brings_them_back_too_but_not_without_restore():
    with Server() as server:
        server.launch("kept")
        restart(server, signal.SIGTERM)
        wait_for(lambda: ready(server) == {"kept"}, what="the model's return")
        server.flags += ("--set", "fleet.restore=false")
        restart(server, signal.SIGTERM)
        assert server.models() == {}


def test_idle_models_are_stopped_and_on_demand_ones_come_back():
    with Server() as server:
        server.launch("lazy", on_demand=True, keep_alive=1)
        assert server.models()["lazy"]["state"] == "unloaded"
        assert server.chat("lazy").status == 200
        assert server.models()["lazy"]["state"] == "ready"
        wait_for(lambda: server.models()["lazy"]["state"] == "unloaded", what="the idle stop")
        assert server.chat("lazy").status == 200
        server.launch("short", keep_alive="1s")
        wait_for(lambda: "short" not in server.models(), what="the idle stop")


def test_replicas_and_a_new_version_without_a_failed_request():
    with Server() as server:
        server.launch("m", replica=2)
        assert len(server.models()["m"]["replicas"]) == 2
        server.call("POST", "/gantry/v1/aliases", {"name": "other-name", "uid": "m"})
        statuses, done = [], threading.Event()

        def ask():
            while not done.is_set():
                statuses.append(server.chat("other-name", max_tokens=4).status)

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        assert server.call("POST", "/gantry/v1/models/m/replace",
                           dict(model_name="gantry-demo", model_engine="auto")).status == 200
        done.set()
        for asker in askers:
            asker.join()
        assert set(statuses) == {200}
        assert [r["id"] for r in server.models()["m"]["replicas"]] == [2]


def test_what_is_killed_in_its_sleep_is_asleep_until_it_is_woken():
    with Server() as server:
        server.launch("m")
        assert server.call("POST", "/gantry/v1/models/m/sleep").status == 200
        os.kill(server.models()["m"]["pid"], signal.SIGKILL)
        wait_for(lambda: not server.models()["m"]["pid"], what="the process's end")
        wait_for(lambda: server.models()["m"]["state"] == "asleep", what="the news of it")
        refused = server.chat("m")
        assert refused.status == 503 and "asleep" in refused.message and not server.models()["m"]["parked"]
        assert server.call("POST", "/gantry/v1/models/m/wake").json["state"] == "ready"
        assert server.chat("m", max_tokens=2).status == 200


def test_plans_events_and_logs():
    with Server() as server:
        plan = server.call("POST", "/gantry/v1/launch/plan", dict(model_name="gantry-demo")).json
        assert plan["fits"] and plan["host_bytes"] > 0 and plan["error"] is None
        assert server.models() == {}
        request = urllib.request.urlopen(server.url + "/gantry/v1/events", timeout=30)
        server.launch("m")
        seen, last = [], None
        for line in request:
            if line.startswith(b"id: "):
                last = line[4:].strip().decode()
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]).get("state"))
                if seen[-1] == "ready":
                    break
        assert "loading" in seen or "starting" in seen
        request.close()
        server.call("DELETE", "/v1/models/m")
        rest = server.call("GET", f"/gantry/v1/events?follow=false&last_event_id={last}").body.decode()
        assert "event: stopped" in rest and '"state":"ready"' not in rest
        server.launch("m")
        assert server.call("GET", "/gantry/v1/models/m/logs?tail=5").status == 200
        assert server.call("GET", "/gantry/v1/desired").json["models"][0]["uid"] == "m"


def test_registrations_survive_and_launch():
    with Server() as server:
        spec = dict(version=2, model_name="my-model", model_lang=["en"], model_ability=["chat"], context_length=2048,
                    model_specs=[dict(model_format="ggufv2", model_size_in_billions="0_1", quantization="f32",
                                      model_uri="file://" + own_models()[0])])
        put = server.call("POST", "/v1/model_registrations/LLM",
                          dict(model=json.dumps(spec), worker_ip=None, persist=True))
        assert put.status == 200 and put.json is None
        restart(server)
        names = [r["model_name"] for r in server.call("GET", "/v1/model_registrations/LLM").json]
        assert "my-model" in names
        server.launch("mine", model="my-model")
        assert server.call("DELETE", "/v1/model_registrations/LLM/my-model").status == 200
        assert server.call("GET", "/v1/model_registrations/LLM/my-model").status == 400
