"""Every method of both of Xinference's clients, unmodified, and what each must do on a server that is right.

One set of tests drives the synchronous and the asynchronous client; the last test compares what was called with what
the package has, so that a method that a newer package adds fails here until somebody has looked at it."""
import asyncio
import base64
import inspect
import json
import os
import pathlib
import shutil
import struct
import threading
import time
import tomllib

import pytest
import requests
from xinference_client.client.restful import async_restful_client, restful_client

from harness import Server, wait_for

ROOT = pathlib.Path(__file__).parents[2]
CATALOG = ROOT / "configs" / "catalog"
FACTS = pathlib.Path(os.environ.get("GANTRY_SHARED_DATA", ROOT.parent / "shared" / "data")) / "catalog" / "xinference_models.jsonl"
MODEL = "gantry-demo"
HELLO = [{"role": "user", "content": "What is Gantry?"}]
GREEDY = {"temperature": 0, "max_tokens": 12}
PICTURE = b"\x89PNG\r\n\x1a\n"
WIDTH = 16
CALLED = {"sync": set(), "async": set()}


class Driver:
    """Calls a client or a handle, waits for what it returns and notes the class and method."""

    def __init__(self, kind, thing, loop=None):
        self.kind, self.thing, self.loop = kind, thing, loop
        self.handles = []

    def __getattr__(self, name):
        method = getattr(self.thing, name)
        owner = next(c for c in type(self.thing).__mro__ if name in vars(c)).__name__

        def call(*arguments, **named):
            CALLED[self.kind].add((owner.removeprefix("Async"), name))
            if self.loop is None:
                value = method(*arguments, **named)
                value = list(value) if inspect.isgenerator(value) else value
            else:
                value = self.loop.run_until_complete(self.awaited(method, arguments, named))
            if not type(value).__name__.endswith("Handle"):
                return value
            self.handles.append(Driver(self.kind, value, self.loop))
            return self.handles[-1]

        return call

    @staticmethod
    async def awaited(method, arguments, named):
        value = method(*arguments, **named)
        value = await value if inspect.isawaitable(value) else value
        return [piece async for piece in value] if hasattr(value, "__aiter__") else value

    def handle(self, name, uid="nobody"):
        """A handle for a kind of model that cannot be launched, so that get_model() gives none."""
        module = restful_client if self.loop is None else async_restful_client
        made = getattr(module, ("" if self.loop is None else "Async") + name)
        base = self.thing.base_url
        if self.loop is None:
            return Driver(self.kind, made(uid, base, {}))

        async def make():
            return made(uid, base, {})

        self.handles.append(Driver(self.kind, self.loop.run_until_complete(make()), self.loop))
        return self.handles[-1]


@pytest.fixture(scope="module")
def server():
    with Server() as s:
        s.launch("demo", engine="llama.cpp")
        s.launch("emb", engine="null", engine_options={"embed_width": WIDTH}, model_type="embedding", replica=2)
        s.launch("rank", engine="null", engine_options={"score_width": 1}, model_type="rerank")
        yield s


@pytest.fixture(scope="module", params=["sync", "async"])
def client(request, server):
    if request.param == "sync":
        driver = Driver("sync", restful_client.Client(server.url))
        yield driver
        driver.close()
        return
    loop = asyncio.new_event_loop()

    async def make():
        return async_restful_client.AsyncClient(server.url)

    driver = Driver("async", loop.run_until_complete(make()), loop)
    yield driver
    for handle in driver.handles:
        handle.close()
    driver.close()
    loop.close()


def failing(words, call, *arguments, **named):
    """The client's error: always a RuntimeError that says why."""
    with pytest.raises(RuntimeError) as raised:
        call(*arguments, **named)
    assert words in str(raised.value), str(raised.value)
    return str(raised.value)


# ---- what runs


def test_models_are_launched_listed_described_and_terminated(client, server):
    uid = client.launch_model(MODEL, model_engine="llama.cpp", model_uid="its.own_uid-3", n_gpu=None)
    assert uid == "its.own_uid-3"
    assert set(client.list_models()) == {"demo", "emb", "rank", uid}
    described = client.describe_model(uid)
    assert described["model_type"] == "LLM" and described["model_name"] == MODEL and described["replica"] == 1
    assert set(described) >= {"address", "accelerators", "model_lang", "model_ability", "model_description",
                              "model_format", "model_size_in_billions", "model_family", "quantization", "model_hub",
                              "revision", "context_length", "model_engine", "multimodal_projector",
                              "strict_system_first"}
    assert described["id"] == uid, "OpenAI's clients ask the same route"
    assert set(client.describe_model("emb")) >= {"model_engine", "model_format", "dimensions", "max_tokens", "language",
                                                 "model_hub", "model_revision", "quantization", "model_ability"}
    assert set(client.describe_model("rank")) >= {"type", "model_engine", "model_format", "language", "model_revision",
                                                  "quantization", "model_ability"}
    assert client.terminate_model(uid) is None
    assert uid not in client.list_models()
    failing(uid, client.terminate_model, uid)
    failing(uid, client.describe_model, uid)
    failing(uid, client.get_model, uid)


def test_a_name_that_is_taken_gets_something_behind_it(client):
    first = client.launch_model(MODEL, model_engine="llama.cpp")
    second = client.launch_model(MODEL, model_engine="llama.cpp")
    assert first == MODEL and second.startswith(MODEL + "-")
    failing("already", client.launch_model, MODEL, model_engine="llama.cpp", model_uid=second)
    for uid in (first, second):
        client.terminate_model(uid)


def test_launches_are_refused_with_the_reason(client):
    for named, words in [({"replica": True}, "replica"), ({"replica": 1.5}, "replica"), ({"replica": 0}, "replica"),
                         ({"replica": None}, "replica"), ({"n_gpu": -1}, "n_gpu"), ({"n_gpu": "many"}, "n_gpu"),
                         ({"model_engine": "warp"}, "warp"), ({"model_type": "llm"}, "model_type"),
                         ({"model_type": "image"}, "image"), ({"model_path": "/nowhere/x.gguf"}, "/nowhere"),
                         ({"model_format": "pytorch"}, "pytorch"), ({"quantization": "q9_9"}, "q9_9"),
                         ({"model_size_in_billions": 700}, "700")]:
        failing(words, client.launch_model, **{"model_name": MODEL, "model_engine": "llama.cpp",
                                               "model_uid": "refused", **named})
    failing("no-such-model", client.launch_model, "no-such-model", model_engine="vllm")
    assert "refused" not in client.list_models()
    uid = client.launch_model(MODEL, model_engine="llama.cpp", model_uid="texts", replica="2", worker_ip=None,
                              gpu_idx=None, request_limits=None, peft_model_config=None, envs=None,
                              enable_thinking=False, enable_virtual_env=True, virtual_env_packages=["x"], nobody_knows_this=1)
    assert client.describe_model(uid)["replica"] == 2
    client.terminate_model(uid)


def test_launches_are_watched_and_cancelled(client):
    slow = {"engine_options": {"load_ms": 20000}}
    uid = client.launch_model(MODEL, model_engine="null", model_uid="slow", wait_ready=False, **slow)
    assert uid == "slow" and uid not in client.list_models()
    progress = client.get_launch_model_progress(uid)
    assert 0 <= progress["progress"] < 1 and set(progress) >= {"stage", "download_files", "replicas"}
    (instance,) = client.get_instance_info(MODEL, uid)
    assert instance["status"] in ("CREATING", "LOADING")
    assert set(instance) >= {"model_name", "model_uid", "model_version", "model_ability", "replica", "status",
                             "instance_created_ts", "n_worker", "replica_statuses"}
    assert "loading" in failing("slow", client.describe_model, uid)
    failing("slow", client.get_model, uid)
    assert client.cancel_launch_model(uid) is None
    assert client.get_launch_model_progress(uid)["progress"] == 0
    failing(uid, client.cancel_launch_model, uid)
    failing("nobody", client.cancel_launch_model, "nobody")
    assert client.launch_model(MODEL, model_engine="null", model_uid=uid) == uid, "the uid is free at once"
    assert client.get_launch_model_progress(uid)["progress"] == 1
    client.terminate_model(uid)
    unknown = client.get_launch_model_progress("nobody")
    assert unknown["progress"] == 0 and unknown["stage"] == "pending"


def test_a_launch_that_somebody_else_cancels_says_so(client, server):
    told = []

    def cancel():
        wait_for(lambda: "blocked" in server.models(), what="the launch")
        told.append(server.call("POST", "/v1/models/blocked/cancel").status)

    other = threading.Thread(target=cancel)
    other.start()
    failing("Launch cancelled", client.launch_model, MODEL, model_engine="null", model_uid="blocked",
            engine_options={"load_ms": 20000})
    other.join()
    assert told == [200] and "blocked" not in client.list_models()


def test_replicas_come_and_go(client):
    uid = client.launch_model(MODEL, model_engine="null", model_uid="several")
    added = client.add_model_replica(uid)
    assert set(added) == {"replica_id", "replica_model_uid", "worker_address"} and added["replica_id"] == 1
    more = client.add_model_replica(uid, replica=2)
    assert more["replica"] == 2 and [r["replica_id"] for r in more["replicas"]] == [2, 3]
    assert client.list_models()[uid]["replica"] == 4
    assert client.terminate_model_replica(uid, 2) == 3
    failing("2", client.terminate_model_replica, uid, 2)
    assert [client.terminate_model_replica(uid, i) for i in (0, 1, 3)] == [2, 1, 0]
    assert uid not in client.list_models()
    failing("nobody", client.add_model_replica, "nobody")


def test_the_cluster_tells_of_itself(client, server):
    assert client._check_cluster_authenticated() is None
    assert client.login("ann", "secret") is None and client._get_token() is None, "there is nothing to log in to"
    client._set_token(None)
    assert client.get_workers_info()[0].keys() >= {"work-ip", "models"}
    assert client.get_supervisor_info()["supervisor_ip"] == f"127.0.0.1:{server.port}"
    assert client._get_supervisor_internal_address() == f"127.0.0.1:{server.port}"
    assert set(client.vllm_models()) == {"chat", "generate"}
    status = requests.get(server.url + "/status").json()
    assert status["uptime"] >= 0 and "cpu" in list(status["workers"].values())[0]["status"]
    assert requests.get(server.url + "/v1/cluster/version").json()["version"]
    assert isinstance(requests.get(server.url + "/v1/cluster/devices").json(), int)
    nodes = requests.get(server.url + "/v1/cluster/info?detailed=true").json()
    assert {n["node_type"] for n in nodes} == {"Supervisor", "Worker"} and nodes[0]["mem_total"] > 0
    assert requests.get(server.url + "/metrics").text.startswith("# HELP")


def test_autostart_entries(client):
    try:
        client.upsert_autostart_model({"enabled": True, "priority": 7, "launch": {
            "model_name": MODEL, "model_uid": "nested", "envs": {"HF_TOKEN": "hf_secret"}, "model_engine": "null"}})
        client.upsert_autostart_model({"model_name": MODEL, "model_uid": "flat", "model_engine": "null"})
        entries = {m["launch"]["model_uid"]: m for m in client.get_autostart_config()["models"]}
        assert entries["nested"]["launch"]["model_engine"] == "null" and "hf_secret" not in json.dumps(entries)
        assert entries["flat"]["launch"]["model_name"] == MODEL and entries["flat"]["enabled"] is True
        summary = client.get_autostart_model_summary()["models"]
        assert {"flat", "nested"} <= {m["model_uid"] for m in summary} and set(summary[0]) == {"enabled", "model_uid"}
        for bad in ({}, {"launch": {}}, {"launch": {"model_name": MODEL}, "max_retries": 0},
                    {"launch": {"model_name": MODEL}, "enabled": False}, {"launch": 5}):
            failing("", client.upsert_autostart_model, bad)
    finally:
        for uid in ("nested", "flat", "nobody"):
            left = client.remove_autostart_model(uid)
    assert not {"flat", "nested"} & {m["model_uid"] for m in left["models"]}


def test_reloads_and_relaunches_are_answered(client):
    """What this server does with them is told by a state or by an error of the client's own class."""
    assert client.get_model_reload_status("demo")["status"] in ("idle", "ready")
    for call in (lambda: client.get_model_reload_config("nobody"), lambda: client.reload_model("nobody", {}),
                 lambda: client.relaunch_worker("nobody:1"), lambda: client.get_worker_relaunch("nobody")):
        failing("", call)
    with_result(client.list_worker_relaunches, list)
    if client.kind == "sync":
        for call in (lambda: client.relaunch_api("/nowhere/python"), lambda: client.get_api_relaunch("nobody"),
                     lambda: client.relaunch_supervisor("/nowhere/python"),
                     lambda: client.get_supervisor_relaunch("nobody")):
            failing("", call)
        with_result(client.list_api_relaunches, list)
        with_result(client.list_supervisor_relaunches, list)


def with_result(call, kind):
    try:
        assert isinstance(call(), kind)
    except RuntimeError as e:
        assert str(e)


# ---- registrations, engines, files


def spec_of(name, folder, **more):
    return dict(version=2, model_name=name, model_lang=["en"], model_ability=["generate", "chat"], model_family="other",
                context_length=512, model_specs=[dict(
                    model_format="ggufv2", model_size_in_billions="0_1", quantization="f32",
                    model_file_name_template="gantry-demo.gguf", model_uri=str(folder))], **more)


@pytest.fixture
def folder(tmp_path):
    import pathlib
    shutil.copy(pathlib.Path(__file__).parents[2] / "configs" / "models" / "gantry-demo.gguf", tmp_path)
    return tmp_path


def test_models_are_registered_and_launched(client, folder):
    name = "own-" + client.kind
    text = json.dumps(spec_of(name, folder))
    assert client.register_model("LLM", text, persist=False) is None
    try:
        (mine,) = [r for r in client.list_model_registrations("LLM") if r["model_name"] == name]
        assert mine["is_builtin"] is False
        assert all(r["is_builtin"] for r in client.list_model_registrations("LLM") if r["model_name"] == MODEL)
        assert client.get_model_registration("LLM", name)["model_specs"][0]["model_uri"] == str(folder)
        failing(name, client.register_model, "LLM", text, True)
        for size in ("0_1", "0.1", 0.1):
            uid = client.launch_model(name, model_engine="llama.cpp", model_size_in_billions=size)
            assert uid == name and client.get_model(uid).chat(HELLO, generate_config=GREEDY)["choices"]
            client.terminate_model(uid)
        uid = client.launch_model(MODEL, model_engine="llama.cpp", model_uid="by-path",
                                  model_path=str(folder / "gantry-demo.gguf"))
        client.terminate_model(uid)
    finally:
        client.unregister_model("LLM", name)
    assert client.unregister_model("LLM", name) is None, "no error where there is none"
    failing(name, client.get_model_registration, "LLM", name)


def test_the_whole_catalog_is_listed(client):
    """With the fields that upstream's own pages read, by an unmodified client."""
    known = [m for f in CATALOG.glob("*.toml") for m in tomllib.loads(f.read_text())["model"]]
    assert len(known) > 300
    for kind in ("LLM", "embedding", "rerank", "audio", "image", "video"):
        listed = {r["model_name"] for r in client.list_model_registrations(kind)}
        names = {m["name"] for m in known if m.get("type", "LLM") == kind}
        assert names <= listed, names - listed
        for model in known:
            if model.get("type", "LLM") == kind:
                shown = client.get_model_registration(kind, model["name"])
                assert shown["is_builtin"] and shown["model_type"] == kind
                assert shown["model_specs"], model["name"]
                assert all(s["model_id"] or "path" in model["spec"][0] for s in shown["model_specs"])
                assert shown.get("dimensions") == model.get("dimensions")
                assert shown["stop"] == model.get("stop", [])


@pytest.mark.skipif(not FACTS.exists(), reason="the facts that the catalog is made from are not here")
def test_every_published_name_is_known(client):
    facts = [json.loads(line) for line in FACTS.open()]
    for kind in {fact["type"] for fact in facts}:
        listed = {r["model_name"] for r in client.list_model_registrations(kind)}
        assert {fact["name"] for fact in facts if fact["type"] == kind} <= listed


def test_registrations_are_checked(client, folder):
    good = spec_of("bad", folder)
    old = dict(good, model_specs=[dict(good["model_specs"][0], quantizations=["f32"])])
    for spec in ("{", json.dumps({k: v for k, v in good.items() if k != "version"}), json.dumps(old),
                 json.dumps(dict(good, model_ability=["tools"])), json.dumps(dict(good, model_ability=["fly"])),
                 json.dumps(dict(good, model_name="a b")), json.dumps(dict(good, model_name="")),
                 json.dumps(dict(good, model_specs=[dict(good["model_specs"][0], model_uri="relative/path")]))):
        failing("", client.register_model, "LLM", spec, False)
    failing("llm", client.list_model_registrations, "llm")
    failing("llm", client.register_model, "llm", json.dumps(good), False)
    failing("llm", client.unregister_model, "llm", "bad")
    failing("nobody", client.get_model_registration, "LLM", "nobody")


@pytest.mark.parametrize("kind,spec", [
    ("embedding", dict(dimensions=8, max_tokens=64, language=["en"],
                       model_specs=[dict(model_format="pytorch", quantization="none", model_id="a/b")])),
    ("rerank", dict(language=["en"], model_specs=[dict(model_format="pytorch", model_id="a/b")])),
    ("image", dict(model_family="stable_diffusion", model_id="a/b")),
    ("audio", dict(model_family="whisper", multilingual=True, model_id="a/b")),
    ("flexible", dict(launcher="a.b", launcher_args="{}")),
])
def test_other_kinds_are_registered(client, kind, spec):
    name = f"own-{kind}-{client.kind}"
    client.register_model(kind, json.dumps(dict(spec, model_name=name)), persist=True)
    assert name in [r["model_name"] for r in client.list_model_registrations(kind)]
    client.unregister_model(kind, name)
    assert name not in [r["model_name"] for r in client.list_model_registrations(kind)]


def test_engines_and_files(client, server):
    assert client.query_engine_by_model_name(MODEL)
    assert client.query_engine_by_model_name(MODEL, model_type=None, enable_virtual_env=True)
    assert client.query_engine_by_model_name("nobody") is None
    if client.kind == "sync":
        detailed = {r["model_name"]: r for r in client.list_model_registrations("LLM", detailed=True)}
        assert detailed[MODEL]["model_specs"]
    for entry in client.list_cached_models():
        assert set(entry) >= {"model_name", "model_size_in_billions", "model_format", "quantization", "model_version",
                              "path", "actor_ip_address"}
    assert client.list_cached_models(model_name="nobody") == []
    assert client.list_deletable_models("nobody--1B--ggufv2--f32")["paths"] == []
    assert client.confirm_and_remove_model("nobody--1B--ggufv2--f32") is True


# ---- answers


def test_chats(client):
    model = client.get_model("demo")
    answer = model.chat(HELLO, generate_config=dict(GREEDY))
    choice = answer["choices"][0]
    assert answer["model"] == "demo" and choice["message"]["role"] == "assistant" and choice["message"]["content"]
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]
    chunks = model.chat(HELLO, generate_config=dict(GREEDY, stream=True, stream_options={"include_usage": True}))
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] > 0
    assert chunks[-2]["choices"][0]["delta"] == {"content": ""} and chunks[-2]["choices"][0]["finish_reason"]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks[:-1]) == choice["message"]["content"]
    cut = model.chat(HELLO, generate_config={"max_tokens": 64, "max_completion_tokens": 3})
    assert cut["usage"]["completion_tokens"] == 3 and cut["choices"][0]["finish_reason"] == "length"
    stop = choice["message"]["content"].split()[1]
    for given in (stop, [stop, "nothing of the kind"]):
        stopped = model.chat(HELLO, generate_config=dict(GREEDY, stop=given))["choices"][0]
        assert stopped["finish_reason"] == "stop" and stop not in stopped["message"]["content"]
    seeded = [model.chat(HELLO, generate_config={"seed": 5, "temperature": 1, "max_tokens": 8})["choices"] for _ in "ab"]
    assert seeded[0] == seeded[1]
    assert len(model.chat(HELLO, generate_config=dict(GREEDY, n=2))["choices"]) == 2
    tokens = model.chat(HELLO, generate_config=dict(GREEDY, logprobs=True, top_logprobs=2))
    assert all(len(t["top_logprobs"]) == 2 for t in tokens["choices"][0]["logprobs"]["content"])
    assert model.chat(HELLO, enable_thinking=False,
                      generate_config=dict(GREEDY, chat_template_kwargs='{"x": 1}', nobody_knows_this=1))["choices"]


def test_tools_and_forms(client):
    model = client.get_model("demo")
    tools = [{"type": "function", "function": {"name": "add", "parameters": {
        "type": "object", "properties": {"a": {"enum": ["one", "two"]}}, "required": ["a"],
        "additionalProperties": False}}}]
    asked = {"temperature": 0, "max_tokens": 100, "tool_choice": "required"}
    answer = model.chat(HELLO, tools=tools, generate_config=asked)["choices"][0]
    (call,) = answer["message"]["tool_calls"][:1]
    assert answer["finish_reason"] == "tool_calls" and call["type"] == "function"
    assert json.loads(call["function"]["arguments"])["a"] in ("one", "two")
    chunks = model.chat(HELLO, tools=tools, generate_config=dict(asked, stream=True))
    parts = [p for c in chunks for p in c["choices"][0]["delta"].get("tool_calls") or [] if p["index"] == 0]
    assert "".join(p["function"].get("arguments") or "" for p in parts) == call["function"]["arguments"]
    assert [p["function"]["name"] for p in parts if p["function"].get("name")] == ["add"]
    plain = model.chat(HELLO, tools=tools, generate_config=dict(GREEDY, tool_choice="none"))["choices"][0]
    assert plain["finish_reason"] in ("stop", "length") and plain["message"]["content"]
    history = HELLO + [answer["message"], {"role": "tool", "tool_call_id": call["id"], "content": "3"}]
    assert model.chat(history, tools=tools, generate_config=GREEDY)["choices"]
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    text = model.chat(HELLO, generate_config={"response_format": form, "max_tokens": 60})["choices"][0]["message"]
    assert json.loads(text["content"])["n"] in (1, 2)
    for field, value, good in [("guided_choice", ["a", "b"], {"a", "b"}), ("guided_regex", "[xy]", {"x", "y"})]:
        text = model.chat(HELLO, generate_config={field: value, "max_tokens": 9})["choices"][0]["message"]["content"]
        assert text in good


def test_texts_go_on(client):
    model = client.get_model("demo")
    answer = model.generate("Gantry is", dict(GREEDY))
    assert answer["object"] == "text_completion" and answer["usage"]["completion_tokens"] > 0
    chunks = model.generate("Gantry is", dict(GREEDY, stream=True))
    assert "".join(c["choices"][0]["text"] for c in chunks) == answer["choices"][0]["text"]
    assert chunks[-1]["choices"][0]["finish_reason"]
    failing("prompt", model.generate, {"max_tokens": 64})


def test_bad_calls_are_refused_and_the_session_goes_on(client, server):
    model = client.get_model("demo")
    for config, words in [({"temperature": 9}, "temperature"), ({"max_tokens": 0}, "max_tokens"), ({"top_p": 7}, "top_p"),
                          ({"response_format": {"type": "xml"}}, "response_format"), ({"stop": 7}, "stop")]:
        failing(words, model.chat, HELLO, generate_config=config)
        failing(words, model.chat, HELLO, generate_config=dict(config, stream=True))
    failing("essages", model.chat, [])
    assert model.chat(HELLO, generate_config=GREEDY)["choices"]
    assert model.close() is None
    handle = client.handle("RESTfulChatModelHandle", "nobody")
    assert "demo" in failing("nobody", handle.chat, HELLO)
    failing("demo", client.handle("RESTfulEmbeddingModelHandle", "demo").create_embedding, "x")
    failing("demo", client.handle("RESTfulRerankModelHandle", "demo").rerank, ["x"], "y")
    failing("emb", client.handle("RESTfulChatModelHandle", "emb").chat, HELLO)


def test_a_model_that_was_not_there_is_found_at_once(client):
    model = client.handle("RESTfulChatModelHandle", "late")
    for _ in range(2):
        failing("late", model.chat, HELLO)
    client.launch_model(MODEL, model_engine="llama.cpp", model_uid="late")
    assert model.chat(HELLO, generate_config=GREEDY)["choices"]
    client.terminate_model("late")


def test_embeddings(client):
    model = client.get_model("emb")
    answer = model.create_embedding(["a", "b c", "a"])
    assert answer["model"] == "emb" and [d["index"] for d in answer["data"]] == [0, 1, 2]
    assert all(len(d["embedding"]) == WIDTH == client.describe_model("emb")["dimensions"] for d in answer["data"])
    assert answer["data"][0]["embedding"] == answer["data"][2]["embedding"] != answer["data"][1]["embedding"]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0
    assert model.create_embedding("x")["model_replica"].startswith("emb-rep")
    assert len(model.create_embedding([1, 2, 3])["data"]) == 1 and len(model.create_embedding([[1], [2, 3]])["data"]) == 2
    packed = model.create_embedding("a", encoding_format="base64")["data"][0]["embedding"]
    assert list(struct.unpack(f"<{WIDTH}f", base64.b64decode(packed))) == pytest.approx(answer["data"][0]["embedding"])
    long = "word " * 100
    assert model.create_embedding(long, truncate_prompt_tokens=4)["usage"]["prompt_tokens"] == 4
    assert model.create_embedding(long, truncate_prompt_tokens=-1)["usage"]["prompt_tokens"] > 4
    assert len(model.create_embedding([f"text {i}" for i in range(1000)])["data"]) == 1000
    assert len(model.convert_ids_to_tokens([5, 6])) == 2
    assert [len(t) for t in model.convert_ids_to_tokens([[5, 6], [7]])] == [2, 1]


def test_reranking(client):
    model = client.get_model("rank")
    documents = ["a", "b c d", "e f"]
    answer = model.rerank(documents, "what", return_documents=True, return_len=True, top_n=2, batch_size=3)
    scores = [r["relevance_score"] for r in answer["results"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True)
    assert all(r["document"]["text"] == documents[r["index"]] for r in answer["results"])
    assert answer["meta"]["tokens"]["input_tokens"] > 0
    bare = model.rerank(documents, "what")
    assert len(bare["results"]) == 3 and not bare["results"][0].get("document") and bare["meta"]["tokens"] is None
    failing("documents", model.rerank, [], "what")
    failing("nobody", client.handle("RESTfulRerankModelHandle").rerank, documents, "what")


def test_requests_are_aborted(client, server):
    assert client.abort_request("nobody", "r1") == {"msg": "NO_OP"}
    assert client.abort_request("demo", "r1", block_duration=0)["msg"] in ("NOT_FOUND", "NO_OP")
    failing("r1", client.get_progress, "r1")


KINDS = {
    "RESTfulAudioModelHandle": ("audio|speech|transcription", [
        lambda h: h.create_embedding(b"RIFF"), lambda h: h.transcriptions(b"RIFF", timestamp_granularities=["word"]),
        lambda h: h.translations(b"RIFF"), lambda h: h.speech("Hi"), lambda h: h.speech("Hi", stream=True),
        lambda h: h.speech("Hi", prompt_speech=b"RIFF")]),
    "RESTfulImageModelHandle": ("image", [
        lambda h: h.text_to_image("a cat"), lambda h: h.image_to_image(PICTURE, "a cat"),
        lambda h: h.image_to_image([PICTURE, PICTURE], "a cat"), lambda h: h.inpainting(PICTURE, PICTURE, "a cat"),
        lambda h: h.image_edit(PICTURE, "a cat"), lambda h: h.image_edit([PICTURE, PICTURE], "a cat"),
        lambda h: h.ocr(PICTURE)]),
    "RESTfulVideoModelHandle": ("video", [
        lambda h: h.text_to_video("a cat"), lambda h: h.image_to_video(PICTURE, "a cat"),
        lambda h: h.flf_to_video(PICTURE, PICTURE, "a cat")]),
    "RESTfulWorldModelHandle": ("world", [lambda h: h.generate("a cat")]),
    "RESTfulFlexibleModelHandle": ("flexible", [lambda h: h.infer(1, 2, a=3)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_no_model_of_such_a_kind(client, kind):
    words, calls = KINDS[kind]
    for call in calls:
        message = failing("there is no", call, client.handle(kind))
        assert any(word in message for word in words.split("|")), message


# ---- on the wire, where the clients do not go


def test_errors_are_answered_as_they_should_be(server):
    session = requests.Session()
    assert session.delete(server.url + "/v1/models/emb/replicas/x").status_code == 422
    assert "replica_id" in session.delete(server.url + "/v1/models/emb/replicas/x").json()["detail"]
    for method, path, status in [("GET", "/v1/nope", 404), ("PUT", "/v1/models", 405), ("GET", "/v1/models/nobody", 404),
                                 ("POST", "/v1/models?wait_ready=maybe", 400)]:
        answer = session.request(method, server.url + path, json={"model_name": MODEL} if method == "POST" else None)
        assert answer.status_code == status and answer.json()["detail"], (path, answer.text)
    asked = dict(model="demo", messages=HELLO, max_tokens=2)
    assert session.post(server.url + "/v1/chat/completions", json=dict(asked, model="nobody")).status_code == 404
    assert session.post(server.url + "/v1/chat/completions", json=asked).status_code == 200
    preflight = session.options(server.url + "/v1/chat/completions", headers={
        "Origin": server.url, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
    assert preflight.status_code in (200, 204) and "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert session.get(server.url + "/v1/models/emb/events").json()[0]["event_type"]
    assert session.get(server.url + "/v1/models/nobody/replicas").json() == []
    (first, second) = session.get(server.url + "/v1/models/emb/replicas").json()
    assert first["status"] == "READY" and second["replica_model_uid"] == "emb-rep1"


def test_streams_stay_whole_beside_each_other(server):
    model = restful_client.Client(server.url).get_model("demo")
    whole = model.chat(HELLO, generate_config={"temperature": 0, "max_tokens": 40})["choices"][0]["message"]["content"]
    texts = {}

    def stream(i):
        own = restful_client.Client(server.url).get_model("demo")
        texts[i] = "".join(c["choices"][0]["delta"].get("content") or ""
                           for c in own.chat(HELLO, generate_config={"temperature": 0, "max_tokens": 40, "stream": True}))

    threads = [threading.Thread(target=stream, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(texts.values()) == {whole}


def test_a_stream_that_is_left_frees_its_place(server):
    model = restful_client.Client(server.url).get_model("demo")
    stream = model.chat(HELLO, generate_config={"max_tokens": 1500, "ignore_eos": True, "stream": True})
    next(stream)
    stream.close()
    wait_for(lambda: server.models()["demo"]["in_use"] == 0, what="the request's end")
    assert model.chat(HELLO, generate_config=GREEDY)["choices"]


def test_a_request_that_runs_is_aborted(server):
    client = restful_client.Client(server.url)
    stream = client.get_model("demo").chat(HELLO, generate_config={
        "max_tokens": 1500, "ignore_eos": True, "stream": True, "request_id": "to-be-aborted"})
    next(stream)
    assert client.abort_request("demo", "to-be-aborted") == {"msg": "DONE"}
    try:
        rest = list(stream)
        assert len(rest) < 1500
    except Exception as e:
        assert str(e)
    wait_for(lambda: server.models()["demo"]["in_use"] == 0, what="the request's end")
    assert client.abort_request("demo", "to-be-aborted")["msg"] == "NOT_FOUND"


# ---- the end


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_cluster_is_stopped(kind):
    with Server() as own:
        if kind == "sync":
            client = Driver("sync", restful_client.Client(own.url))
            assert client.abort_cluster() == {"result": True}
            client.close()
        else:
            async def stop():
                client = async_restful_client.AsyncClient(own.url)
                CALLED["async"].update({("Client", "abort_cluster"), ("Client", "close")})
                assert await client.abort_cluster() == {"result": True}
                await client.close()

            asyncio.run(stop())
        wait_for(lambda: own.process.poll() is not None, what="the server's end")


@pytest.mark.parametrize("kind,module", [("sync", restful_client), ("async", async_restful_client)])
def test_no_method_was_left_out(kind, module, request):
    if any("-k" in a or "::" in a for a in request.config.invocation_params.args):
        pytest.skip("only some tests run")
    there = {(name.removeprefix("Async"), method)
             for name, made in inspect.getmembers(module, inspect.isclass) if made.__module__ == module.__name__
             for method, value in vars(made).items() if callable(value) and not method.startswith("__")}
    assert there - CALLED[kind] == set()
