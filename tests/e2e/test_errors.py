"""Wrong input gets a clear error, and nothing else is disturbed."""
import pathlib

import pytest

DEMO = pathlib.Path(__file__).parents[2] / "configs" / "models" / "gantry-demo.gguf"


@pytest.fixture(scope="module")
def busy(server):
    server.launch("witness")
    yield server
    # Whatever the tests did, the model launched before them still answers.
    assert server.chat("witness", max_tokens=4).status == 200


def expect(answer, status, *words):
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/json")
    message = answer.message
    assert answer.json["detail"].startswith(message)
    for word in words:
        assert word in message + (answer.json["error"].get("hint") or ""), (word, answer.body)


def broken(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("name,make,words", [
    ("empty.gguf", lambda d: b"", ["empty"]),
    ("random.gguf", lambda d: bytes(range(256)) * 40, ["magic", "byte 0"]),
    ("cut-head.gguf", lambda d: d[:1000], ["at byte"]),
    ("cut-data.gguf", lambda d: d[:len(d) // 2], ["byte"]),
])
def test_damaged_model_files(busy, tmp_path, name, make, words):
    path = broken(tmp_path, name, make(DEMO.read_bytes()))
    answer = busy.call("POST", "/v1/models", dict(model_name=path, model_uid="broken"))
    assert 400 <= answer.status < 500, answer.body
    for word in words + [name]:
        assert word in answer.message, answer.message
    assert "broken" not in {m["id"] for m in busy.call("GET", "/v1/models").json["data"]}


def test_unknown_names(busy):
    expect(busy.call("POST", "/v1/models", dict(model_name="gantry-dem")), 400, "gantry-dem", "gantry-demo")
    expect(busy.chat("nobody"), 404, "nobody", "witness")
    expect(busy.call("POST", "/v1/models", dict(model_name="gantry-demo", model_engine="warp")), 400, "warp")
    expect(busy.call("GET", "/v1/nowhere"), 404, "/v1/nowhere")
    assert busy.call("PUT", "/v1/models").status == 405


def test_prompt_longer_than_the_context(busy):
    answer = busy.chat("witness", "word " * 20000)
    expect(answer, 400, "2048")
    counts = [int(w) for w in answer.message.replace(",", " ").split() if w.isdigit()]
    assert len(counts) >= 2 and max(counts) > 2048


@pytest.mark.parametrize("raw", [b"{", b"", b"[]", b'{"model": "witness"', b"\xff\xfe{}", b'{"model": 3, "messages": []}'])
def test_malformed_json(busy, raw):
    answer = busy.call("POST", "/v1/chat/completions", raw=raw)
    assert answer.status == 400, answer.body
    assert answer.message


def test_huge_body(busy):
    raw = b'{"model": "witness", "messages": [{"role": "user", "content": "' + b"a" * 100_000_000 + b'"}]}'
    try:
        answer = busy.call("POST", "/v1/chat/completions", raw=raw)
        expect(answer, 413)
    except OSError:
        pass  # the server may hang up while the client still sends; what counts is that it goes on, see `busy`
    assert busy.call("GET", "/healthz").status == 200


@pytest.mark.parametrize("field,value", [("temperature", -1), ("temperature", "hot"), ("top_p", 0), ("max_tokens", -5),
                                         ("max_tokens", "abc"), ("n", 0), ("stop", 7), ("logit_bias", {"x": 1})])
def test_bad_values_name_the_field(busy, field, value):
    answer = busy.call("POST", "/v1/chat/completions", {"model": "witness", "messages": [{"role": "user", "content": "Hi"}], field: value})
    expect(answer, 400, field)


def test_unknown_fields_are_reported(busy):
    answer = busy.chat("witness", max_tokens=2, frobnicate=1)
    assert answer.status == 200
    assert "frobnicate" in answer.headers["X-Gantry-Ignored"]


def test_uid_taken(busy):
    answer = busy.call("POST", "/v1/models", dict(model_name="gantry-demo", model_uid="witness"))
    assert 400 <= answer.status < 500 and "witness" in answer.message


def test_a_model_that_does_not_fit_is_refused_with_the_sum():
    from harness import Server
    with Server("--set", "fleet.memory_limit=3000000") as small:
        answer = small.call("POST", "/v1/models", dict(model_name="gantry-demo"))
        assert answer.status >= 400
        assert "weights" in answer.message and "free" in answer.message or "available" in answer.message, answer.message
