"""Computed texts outlive their model's process, and only for the same model."""
import pytest

from harness import Server

LAUNCH = dict(engine="cpu", context_length=512)
PROMPT = [5 + i % 90 for i in range(200)]


@pytest.fixture
def server():
    with Server() as s:
        s.launch("m", **LAUNCH)
        yield s


def complete(server, **more):
    return server.call("POST", "/v1/completions", dict(
        model="m", prompt=PROMPT, max_tokens=6, temperature=0, ignore_eos=True, **more)).json


def prefix(server, what, **body):
    return server.call("POST", f"/gantry/v1/models/m/prefix/{what}", body)


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def test_a_saved_text_is_there_after_a_new_launch(server):
    first = complete(server)
    assert cached(first) == 0
    saved = prefix(server, "save", name="a-text", input=dict(tokens=PROMPT))
    assert saved.status == 200, saved.body
    assert saved.json["tokens"] >= 150 and saved.json["bytes"] > 0

    assert server.call("DELETE", "/v1/models/m").status == 200
    server.launch("m", **LAUNCH)
    restored = prefix(server, "restore", name="a-text")
    assert restored.status == 200, restored.body
    assert restored.json["tokens"] == saved.json["tokens"]
    again = complete(server)
    assert cached(again) >= saved.json["tokens"] - 1
    assert again["choices"][0]["text"] == first["choices"][0]["text"]
    # Under a salt nothing is known of it.
    assert cached(complete(server, cache_salt="other")) == 0


def test_what_cannot_be_saved_or_restored_says_why(server):
    assert prefix(server, "save", name="none", input=dict(tokens=[7] * 100)).status == 404
    assert prefix(server, "restore", name="none").status == 404
    for name in ("", "../etc", ".hidden", "a/b", "x" * 101):
        refused = prefix(server, "restore", name=name)
        assert refused.status == 400 and "name" in refused.message


def test_the_cache_tells_why_it_missed(server):
    def miss(prompt):
        answer = server.call("POST", "/v1/completions", dict(model="m", prompt=prompt, max_tokens=1, cache_debug=True))
        return answer.json["usage"]["prompt_tokens_details"]["cache_miss"]

    assert miss(PROMPT) == dict(reason="new", at=0)
    assert miss(PROMPT)["at"] > 150
    other = PROMPT[:100] + [99] + PROMPT[101:]
    assert miss(other) == dict(reason="differs", at=100)
