"""Speculative decoding through the REST API: the same answers, and what is told of it."""
import pytest

from harness import BUILD, Server

DEMO = str(BUILD / "share/gantry/models/gantry-demo.gguf")
ASK = "What is Gantry?"


@pytest.fixture(scope="module")
def launched():
    with Server() as s:
        s.launch("plain", engine="cpu")
        s.launch("suffix", engine="cpu", speculative="suffix", draft_tokens=6)
        s.launch("draft", engine="cpu", draft_model=DEMO)
        yield s


def ask(server, model, **more):
    return server.call("POST", "/v1/chat/completions",
                       dict(model=model, messages=[{"role": "user", "content": ASK}], **(dict(temperature=0) | more)))


def words(answer):
    assert answer.status == 200, answer.body
    return answer.json["choices"][0]["message"]["content"]


def details(answer):
    return answer.json["usage"].get("completion_tokens_details", {})


@pytest.mark.parametrize("model,more", [("suffix", {}), ("draft", {}), ("draft", {"speculative": "auto"}),
                                        ("suffix", {"speculative": "ngram"}), ("plain", {"speculative": "suffix"})])
def test_answers_are_those_without_guesses(launched, model, more):
    for sampling in ({"temperature": 0}, {"temperature": 0.8, "seed": 7}):
        expected = words(ask(launched, "plain", max_tokens=60, **sampling))
        assert words(ask(launched, model, max_tokens=60, **sampling, **more)) == expected


def test_a_prediction_is_quoted(launched):
    expected = words(ask(launched, "plain", max_tokens=60, temperature=0))
    answer = ask(launched, "plain", max_tokens=60, temperature=0, prediction={"type": "content", "content": expected})
    assert words(answer) == expected
    counts = details(answer)
    assert counts["accepted_prediction_tokens"] > 0, counts
    parts = [{"type": "text", "text": expected[:20]}, {"type": "text", "text": expected[20:]}]
    assert details(ask(launched, "plain", max_tokens=60, temperature=0,
                                 prediction={"type": "content", "content": parts}))["accepted_prediction_tokens"] > 0


def test_a_request_may_say_no(launched):
    answer = ask(launched, "draft", max_tokens=30, temperature=0, speculative="off")
    assert not [name for name in details(answer) if "prediction" in name]


def test_the_counts_are_told(launched):
    accepted = details(ask(launched, "draft", max_tokens=30, temperature=0))["accepted_prediction_tokens"]
    assert accepted > 0, "the draft model is the model itself; being as slow it does not pay, and is soon asked rarely"
    stats = launched.call("GET", "/gantry/v1/models/draft/stats").json
    assert stats["accepted_tokens"] >= accepted and stats["drafted_tokens"] >= stats["accepted_tokens"]
    assert stats["draft_steps"] > 0


def test_what_cannot_be_is_refused(launched):
    answer = ask(launched, "plain", speculative="draft")
    assert answer.status == 400 and "draft model" in answer.message
    answer = ask(launched, "plain", speculative="magic")
    assert answer.status == 400 and answer.json["error"]["param"] == "speculative"
