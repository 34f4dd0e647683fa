"""The main job over plain HTTP: launch two models, list, chat with both at once, stop one while the other streams."""
import pathlib
import threading

import pytest

from harness import Server, alive, text_of, wait_for


def test_two_models_stream_at_once_and_one_stops_while_the_other_goes_on(server):
    server.launch("one")
    server.launch("two", engine="reference")
    listed = server.call("GET", "/v1/models").json["data"]
    assert {m["id"] for m in listed} >= {"one", "two"}

    texts = {}

    def chat(uid):
        texts[uid] = text_of(server.stream(uid, temperature=0, max_tokens=60))

    threads = [threading.Thread(target=chat, args=(u,)) for u in ("one", "two")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert "Gantry" in texts["one"] and "Gantry" in texts["two"]

    started, got = threading.Event(), []

    def long_stream():
        for event in server.stream("one", temperature=0, max_tokens=400, ignore_eos=True):
            got.append(event)
            started.set()

    thread = threading.Thread(target=long_stream)
    thread.start()
    assert started.wait(20)
    assert server.call("DELETE", "/v1/models/two").status == 200
    thread.join()
    finish = [c["finish_reason"] for e in got for c in e["choices"] if c.get("finish_reason")]
    assert finish == ["length"]
    assert "two" not in server.models()
    assert server.call("DELETE", "/v1/models/one").status == 200


def test_the_demo_model_answers_sensibly(server):
    server.launch("demo")
    answer = server.chat("demo", "What is Gantry?").json
    assert "runtime" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] > 0
    assert "12" in server.chat("demo", "What is 7 + 5?").json["choices"][0]["message"]["content"]


def test_backends_agree_on_the_demo_model(server):
    server.launch("by-cpu", engine="cpu")
    server.launch("by-reference", engine="reference")
    for question in ["What is Gantry?", "How do I launch a model?", "3 * 4"]:
        a, b = (server.chat(u, question, max_tokens=40).json["choices"][0]["message"]["content"]
                for u in ("by-cpu", "by-reference"))
        assert a == b


def test_the_server_ends_cleanly_on_sigterm_with_models_launched():
    with Server() as s:
        s.launch("x")
        pid = s.models()["x"]["pid"]
    assert s.process.returncode == 0
    assert not alive(pid)


def test_a_long_prompt_reaches_onednn_with_the_best_instructions():
    with Server(ONEDNN_VERBOSE="1") as s:
        s.launch("prefill", engine="cpu", engine_options={"prefill": "onednn"})
        if "oneDNN" not in s.models()["prefill"]["plan"]:
            pytest.skip("built without oneDNN")
        assert s.chat("prefill", "How do I launch a model? " * 60, max_tokens=1).status == 200
        lines = wait_for(lambda: [x for x in s.log_text().splitlines() if "exec,cpu,matmul" in x], what="oneDNN's report")
        assert not [x for x in lines if "ref" in x.split(",")[4]], lines[0]
        if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
            assert all("avx512" in x for x in lines), lines[0]
