"""The unmodified `ollama` package against a running server."""
import asyncio
import datetime
import inspect
import json

import ollama
import pytest

MODEL = "gantry-demo"
HELLO = [{"role": "user", "content": "What is Gantry?"}]
GREEDY = {"temperature": 0, "num_predict": 24}


@pytest.fixture(scope="module")
def client(server):
    return ollama.Client(host=server.url)


def test_a_first_request_launches_the_model(client, server):
    assert not server.models()
    answer = client.chat(MODEL, HELLO, options=GREEDY)
    assert answer.message.role == "assistant" and answer.message.content
    assert answer.done and answer.done_reason in ("stop", "length")
    assert answer.load_duration > 0 and answer.total_duration >= answer.load_duration
    assert answer.prompt_eval_count > 0 and 0 < answer.eval_count <= 24
    assert answer.prompt_eval_duration > 0 and answer.eval_duration > 0
    assert datetime.datetime.fromisoformat(answer.created_at).tzinfo
    assert list(server.models()) == [MODEL]
    assert client.chat(MODEL + ":latest", HELLO, options=GREEDY).load_duration == 0


def test_chats_stream(client):
    whole = client.chat(MODEL, HELLO, options=GREEDY).message.content
    parts = list(client.chat(MODEL, HELLO, options=GREEDY, stream=True))
    assert len(parts) > 2
    assert "".join(p.message.content for p in parts) == whole
    assert [p.done for p in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].eval_count > 0


def test_generates_and_goes_on_from_a_context(client):
    first = client.generate(MODEL, "What is Gantry?", options=GREEDY)
    assert first.response
    # The token that ends an answer is counted, and is no part of the text.
    assert 0 <= first.prompt_eval_count + first.eval_count - len(first.context) <= 1
    second = client.generate(MODEL, "Say more.", context=first.context, options=GREEDY)
    assert second.prompt_eval_count > len(first.context)
    assert second.context[: len(first.context)] == first.context
    parts = list(client.generate(MODEL, "What is Gantry?", options=GREEDY, stream=True))
    assert "".join(p.response for p in parts) == first.response
    assert parts[-1].context == first.context


def test_raw_prompts_are_left_alone(client):
    answer = client.generate(MODEL, "Gantry is", raw=True, options=GREEDY)
    assert answer.response and answer.context is None


def test_formats_are_kept(client):
    schema = {"type": "object", "properties": {"n": {"enum": ["one", "two"]}}, "required": ["n"],
              "additionalProperties": False}
    answer = client.chat(MODEL, HELLO, format=schema, options=dict(GREEDY, num_predict=200))
    assert json.loads(answer.message.content)["n"] in ("one", "two")


def test_tools_and_results_are_taken(client):
    def add(a: int, b: int) -> int:
        """Adds two numbers.

        Args:
          a: the first
          b: the second
        """
        return a + b

    answer = client.chat(MODEL, [{"role": "user", "content": "What is 2 plus 3?"}], tools=[add], options=GREEDY)
    assert answer.message.content or answer.message.tool_calls
    messages = [{"role": "user", "content": "What is 2 plus 3?"},
                {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2, "b": 3}}}]},
                {"role": "tool", "tool_name": "add", "content": "5"}]
    assert client.chat(MODEL, messages, tools=[add], options=GREEDY).done


def test_logprobs(client):
    answer = client.chat(MODEL, HELLO, logprobs=True, top_logprobs=2, options=GREEDY)
    assert 0 <= answer.eval_count - len(answer.logprobs) <= 1
    assert all(len(t.top_logprobs) == 2 and t.logprob <= 0 for t in answer.logprobs)


def test_models_are_listed_and_shown(client):
    (listed,) = [m for m in client.list().models if m.model == MODEL + ":latest"]
    assert listed.size > 1_000_000 and listed.details.format == "gguf" and len(listed.digest) == 64
    (running,) = client.ps().models
    assert running.model == MODEL + ":latest" and running.size > 0 and running.context_length > 0
    left = running.expires_at - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=4) < left < datetime.timedelta(minutes=6), "launched by a request"
    shown = client.show(MODEL)
    assert "tools" in shown.capabilities and shown.modelinfo["general.architecture"] and shown.template


def test_errors_are_told(client):
    for call, status, words in (
        (lambda: client.chat("nope", HELLO), 404, "model 'nope' not found"),
        (lambda: client.show("nope"), 404, "model 'nope' not found"),
        (lambda: client.chat(MODEL, HELLO, think=True), 400, "does not support thinking"),
        (lambda: client.chat(MODEL, HELLO, options={"temperature": -1}), 400, "temperature"),
        (lambda: client.generate(MODEL, "x", suffix="y"), 400, "suffix"),
        (lambda: client.generate(MODEL, "x", images=[b"abc"]), 400, "images"),
        (lambda: list(client.chat("nope", HELLO, stream=True)), 404, "not found"),
    ):
        with pytest.raises(ollama.ResponseError) as raised:
            call()
        assert raised.value.status_code == status and words in raised.value.error


def test_a_model_is_unloaded(client, server):
    client.generate(MODEL, "", keep_alive=0)
    assert not server.models() and not client.ps().models
    assert MODEL + ":latest" in [m.model for m in client.list().models]
    assert client.generate(MODEL, "").done_reason == "load"
    assert client.ps().models


async def exchange(url):
    client = ollama.AsyncClient(host=url)
    text = ""
    async for part in await client.chat(MODEL, HELLO, stream=True, options=GREEDY):
        text += part.message.content
    return text


def test_the_asynchronous_client(client, server):
    assert asyncio.run(exchange(server.url)) == client.chat(MODEL, HELLO, options=GREEDY).message.content


@pytest.fixture(scope="module")
def embedder(server):
    server.launch("emb", engine="null", engine_options={"embed_width": 16}, model_type="embedding")
    return "emb"


def test_texts_are_embedded(client, embedder):
    answer = client.embed(embedder, ["a", "b c"])
    assert [len(v) for v in answer.embeddings] == [16, 16] and answer.prompt_eval_count > 0 and answer.total_duration > 0
    assert client.embed(embedder, "a").embeddings[0] == pytest.approx(answer.embeddings[0], abs=1e-6)
    assert len(client.embed(embedder, "a", dimensions=8).embeddings[0]) == 8
    assert client.embed(embedder, "word " * 100_000, truncate=True).prompt_eval_count > 0
    with pytest.raises(ollama.ResponseError):
        client.embed(embedder, "word " * 100_000, truncate=False)
    assert len(client.embeddings(embedder, "a").embedding) == 16
    with pytest.raises(ollama.ResponseError) as raised:
        client.embed(MODEL, "a")
    assert raised.value.status_code == 400


def test_models_are_pulled_made_copied_and_deleted(client):
    assert client.pull(MODEL).status == "success"
    steps = list(client.pull(MODEL, stream=True))
    assert len(steps) > 1 and steps[-1].status == "success"
    made = client.create("own", from_=MODEL, system="Be brief.", parameters={"num_predict": 3, "temperature": 0},
                         messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}])
    assert made.status == "success"
    assert list(client.create("own", from_=MODEL, system="Be brief.", parameters={"num_predict": 3}, stream=True))[-1].status \
        == "success"
    assert client.chat("own", HELLO).eval_count <= 3
    assert "Be brief." in client.show("own").modelfile
    assert client.copy("own", "other").status == "success"
    assert {"own:latest", "other:latest"} <= {m.model for m in client.list().models}
    assert client.delete("own").status == client.delete("other").status == "success"
    for call in (lambda: client.delete("own"), lambda: client.show("own"), lambda: client.copy("own", "again")):
        with pytest.raises(ollama.ResponseError) as raised:
            call()
        assert raised.value.status_code == 404


def test_what_cannot_be_done_is_refused(client, tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    for call in (lambda: client.push(MODEL), lambda: client.create_blob(tmp_path / "x.gguf"),
                 lambda: client.pull("library/nobody-has-this")):
        with pytest.raises(ollama.ResponseError) as raised:
            call()
        assert raised.value.status_code in (400, 404, 409, 501) and raised.value.error


def test_no_method_was_left_out():
    """All others are used above; these three ask a service of Ollama's own."""
    elsewhere = {"web_search", "web_fetch", "systemone"}
    used = {"chat", "close", "copy", "create", "create_blob", "delete", "embed", "embeddings", "generate", "list", "ps",
            "pull", "push", "show"}
    for client in (ollama.Client, ollama.AsyncClient):
        there = {n for n, f in inspect.getmembers(client, inspect.isfunction) if not n.startswith("_")}
        assert there - {"close"} == (used | elsewhere) - {"close"}


async def every_method(url):
    async with ollama.AsyncClient(host=url) as client:
        assert (await client.list()).models and (await client.ps()).models is not None
        assert (await client.show(MODEL)).capabilities
        assert (await client.generate(MODEL, "Gantry is", options=GREEDY)).response
        assert [p async for p in await client.pull(MODEL, stream=True)][-1].status == "success"
        assert (await client.create("asyncs", from_=MODEL, system="x")).status == "success"
        assert (await client.copy("asyncs", "asyncs-copy")).status == "success"
        for name in ("asyncs", "asyncs-copy"):
            assert (await client.delete(name)).status == "success"
        assert len((await client.embed("emb", "a")).embeddings) == 1
        assert (await client.embeddings("emb", "a")).embedding
        with pytest.raises(ollama.ResponseError):
            await client.push(MODEL)


def test_the_asynchronous_client_does_the_rest(client, server, embedder):
    asyncio.run(every_method(server.url))
