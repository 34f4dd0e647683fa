"""What a launched model can be asked besides answers: KV types, cut prompts, adapters, sleep, abort, drain."""
import json
import pathlib
import struct
import subprocess
import threading
import time

import pytest

from harness import GANTRY, text_of, wait_for

MODEL = pathlib.Path(__file__).parents[2] / "configs" / "models" / "gantry-demo.gguf"


def sizes():
    shown = subprocess.run([GANTRY, "show", "--json", MODEL], capture_output=True, text=True, check=True).stdout
    hyper = json.loads(shown)["hyper"]
    return hyper["hidden_size"], hyper["head_count"] * hyper["head_dim"]


def make_adapter(folder, strength):
    """A PEFT folder that changes the output projection of attention in layer 0."""
    hidden, width = sizes()
    rank = 2
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "bias": "none", "target_modules": ["o_proj"]}))
    a = [strength * ((i % 7) - 3) / 10 for i in range(rank * width)]
    b = [strength * ((i % 5) - 2) / 10 for i in range(hidden * rank)]
    name = "base_model.model.model.layers.0.self_attn.o_proj.lora_{}.weight"
    header = json.dumps({
        name.format("A"): {"dtype": "F32", "shape": [rank, width], "data_offsets": [0, 4 * len(a)]},
        name.format("B"): {"dtype": "F32", "shape": [hidden, rank],
                           "data_offsets": [4 * len(a), 4 * (len(a) + len(b))]}}).encode()
    header += b" " * (-len(header) % 8)
    data = struct.pack("<Q", len(header)) + header + struct.pack(f"<{len(a) + len(b)}f", *a, *b)
    (folder / "adapter_model.safetensors").write_bytes(data)
    return str(folder)


def ask(server, model, **more):
    """A short answer: the reference engine of a debug build is slow."""
    return content(server.chat(model, "Hi", max_tokens=8, **more))


def content(answer):
    assert answer.status == 200, answer.body
    return answer.json["choices"][0]["message"]["content"]


def test_every_kv_type_answers_and_takes_what_it_says(server):
    reserved = {}
    for engine in ("cpu", "reference"):
        for kv in ("f32", "f16", "bf16", "q8_0", "q4_0"):
            uid = server.launch(f"{engine}-{kv}", engine=engine, kv_cache_dtype=kv, context_length=512, max_num_seqs=4)
            assert ask(server, uid)
            reserved[engine, kv] = server.models()[uid]["memory_bytes"]
            assert server.call("DELETE", f"/v1/models/{uid}").status == 200
        assert reserved[engine, "f32"] > reserved[engine, "f16"] == reserved[engine, "bf16"]
        assert reserved[engine, "f16"] > reserved[engine, "q8_0"] > reserved[engine, "q4_0"]
    answer = server.call("POST", "/v1/models", {"model_name": "gantry-demo", "kv_cache_dtype": "q3"})
    assert answer.status == 400 and "q3" in answer.message


def test_prompts_are_cut_and_contexts_shifted_only_when_asked(server):
    uid = server.launch("short", context_length=128)
    long_text = "How do I launch a model? " * 60
    refused = server.chat(uid, long_text, max_tokens=8)
    assert refused.status == 400 and "128" in refused.message
    cut = server.chat(uid, long_text, max_tokens=8, truncate_prompt_tokens=-1).json["usage"]
    assert cut["prompt_tokens"] == 120 and cut["prompt_tokens_details"]["truncated_tokens"] > 0
    kept = server.chat(uid, long_text, max_tokens=8, truncate_prompt_tokens=50).json["usage"]
    assert kept["prompt_tokens"] == 50
    assert "truncated_tokens" not in server.chat(uid, "Hi", max_tokens=2).json["usage"]["prompt_tokens_details"]
    shifted = server.chat(uid, max_tokens=200, ignore_eos=True, context_shift=True, n_keep=-1).json
    assert shifted["usage"]["completion_tokens"] == 200
    assert shifted["usage"]["completion_tokens_details"]["context_shifts"] >= 1
    assert server.chat(uid, context_shift=True).status == 400
    server.call("DELETE", "/v1/models/short")


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_adapters_at_launch_and_later(server, tmp_path, engine):
    first = make_adapter(tmp_path / "first", 3.0)
    second = make_adapter(tmp_path / "second", -4.0)
    uid = server.launch("lora", engine=engine, lora_modules=[{"name": "first", "path": first}],
                        adapter_dirs=[str(tmp_path)])
    plain, adapted = ask(server, uid), ask(server, "lora:first")
    assert plain != adapted
    assert ask(server, "first") == ask(server, uid, lora_adapter="first") == adapted

    assert server.call("POST", "/v1/load_lora_adapter", {"lora_name": "second", "lora_path": second,
                                                         "model": uid}).status == 200
    listed = {m["id"]: m for m in server.call("GET", "/v1/models").json["data"]}
    assert listed["lora:second"]["parent"] == uid
    other = ask(server, "second")
    assert other not in (plain, adapted)

    # All three at once: nobody's answer changes.
    answers = {}
    names = [uid, "lora:first", "lora:second"] * 2
    threads = [threading.Thread(target=lambda i=i, n=n: answers.update({i: ask(server, n)}))
               for i, n in enumerate(names)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [answers[i] for i in range(len(names))] == [plain, adapted, other] * 2

    assert server.call("POST", "/v1/unload_lora_adapter", {"lora_name": "second"}).status == 200
    assert server.chat("lora:second").status == 404
    assert server.chat(uid, lora_adapter="second").status == 404
    assert server.call("POST", f"/gantry/v1/models/{uid}/adapters",
                       {"name": "third", "path": str(tmp_path / "nothing")}).status == 404
    assert server.call("DELETE", f"/v1/models/{uid}").status == 200


def test_sleep_gives_the_memory_back(server):
    uid = server.launch("sleeper", engine="cpu")
    before = ask(server, uid)
    reserved = server.call("GET", "/gantry/v1/models").json["memory"]["reserved"]
    assert server.call("POST", f"/gantry/v1/models/{uid}/sleep").json["state"] == "asleep"
    assert server.models()[uid]["state"] == "asleep"
    assert server.call("GET", "/gantry/v1/models").json["memory"]["reserved"] < reserved
    refused = server.chat(uid)
    assert refused.status == 503 and "asleep" in refused.message
    assert server.call("POST", f"/gantry/v1/models/{uid}/wake").json["state"] == "ready"
    assert ask(server, uid) == before
    server.call("DELETE", f"/v1/models/{uid}")

    uid = server.launch("light-sleeper", wake_on_request=True)
    assert server.call("POST", f"/gantry/v1/models/{uid}/sleep").status == 200
    assert ask(server, uid) == before
    server.call("DELETE", f"/v1/models/{uid}")


def test_an_abort_ends_a_stream_properly(server):
    uid = server.launch("aborted", engine="cpu")
    events, started = [], threading.Event()

    def stream():
        for event in server.stream(uid, max_tokens=1900, ignore_eos=True, request_id="mine"):
            events.append(event)
            started.set()

    thread = threading.Thread(target=stream)
    thread.start()
    assert started.wait(20)
    assert server.call("POST", f"/v1/models/{uid}/requests/mine/abort", {"block_duration": 30}).json == {"msg": "DONE"}
    thread.join(20)
    assert not thread.is_alive()
    assert [c["finish_reason"] for e in events for c in e["choices"] if c["finish_reason"]] == ["abort"]
    assert server.call("POST", f"/v1/models/{uid}/requests/mine/abort").json == {"msg": "NOT_FOUND"}
    assert server.call("POST", f"/gantry/v1/models/{uid}/requests/mine/abort").status == 404
    wait_for(lambda: server.call("GET", f"/gantry/v1/models/{uid}/stats").json["running"] == 0)
    server.call("DELETE", f"/v1/models/{uid}")


def test_a_drain_lets_what_runs_end(server):
    uid = server.launch("drained", engine="cpu")
    got, started = [], threading.Event()

    def stream():
        for event in server.stream(uid, max_tokens=60, ignore_eos=True):
            got.append(event)
            started.set()

    thread = threading.Thread(target=stream)
    thread.start()
    assert started.wait(20)
    begin = time.monotonic()
    assert server.call("DELETE", f"/v1/models/{uid}?drain_s=30").status == 200
    assert time.monotonic() - begin < 30
    thread.join(20)
    assert [c["finish_reason"] for e in got for c in e["choices"] if c["finish_reason"]] == ["length"]
    assert text_of(got)
    assert uid not in server.models()
