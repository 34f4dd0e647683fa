"""The main job over plain HTTP: launch two models, list, chat with both at once, stop one while the other streams."""
import threading

from harness import Server, text_of


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
    from harness import alive
    assert s.process.returncode == 0
    assert not alive(pid)
