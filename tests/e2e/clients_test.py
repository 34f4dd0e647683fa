"""The unmodified `openai` and `xinference-client` packages against a running server.

Under pytest a server of its own is started. With a base URL it talks to that one, in which MODEL can be launched:

    python clients_test.py http://127.0.0.1:9997 [MODEL]
"""
import json
import re
import sys

import openai
import pytest
from xinference_client import RESTfulClient
from xinference_client.client.restful.restful_client import RESTfulChatModelHandle

MODEL = "gantry-demo"
UID = "clients"
HELLO = [{"role": "user", "content": "What is Gantry?"}]


@pytest.fixture(scope="module")
def url(request):
    given = getattr(sys.modules[__name__], "BASE_URL", None)
    if given:
        yield given
        return
    yield request.getfixturevalue("server").url


@pytest.fixture(scope="module")
def xinference(url):
    client = RESTfulClient(url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def launched(xinference):
    """Launched by Xinference's client, as all following tests find it."""
    assert xinference.launch_model(MODEL, model_engine="llama.cpp", model_uid=UID) == UID
    yield UID
    if UID in xinference.list_models():
        xinference.terminate_model(UID)


@pytest.fixture(scope="module")
def client(url, launched):
    return openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)


# ---- Xinference's client


def test_models_are_listed_and_described(xinference, launched):
    models = xinference.list_models()
    assert models[launched]["model_name"] == MODEL
    description = xinference.describe_model(launched)
    assert description["model_type"] == "LLM"
    assert "chat" in description["model_ability"]
    assert description["context_length"] > 0
    assert description["replica"] == 1
    assert xinference.get_launch_model_progress(launched)["progress"] == 1.0
    assert xinference.get_launch_model_progress("nope")["stage"] == "pending"
    (instance,) = xinference.get_instance_info(MODEL, launched)
    assert instance["status"] == "READY"


def test_launch_without_waiting_and_cancel(xinference):
    uid = xinference.launch_model(MODEL, model_uid="unwaited", wait_ready=False)
    assert uid == "unwaited"
    try:
        xinference.cancel_launch_model(uid)
    except RuntimeError:
        xinference.terminate_model(uid)  # it was ready before the cancel came
    assert uid not in xinference.list_models()
    with pytest.raises(RuntimeError):
        xinference.cancel_launch_model("nope")


def test_replicas_come_and_go(xinference):
    uid = xinference.launch_model(MODEL, model_engine="auto", model_uid="several", replica=2)
    added = xinference.add_model_replica(uid)
    assert added["replica_id"] == 2 and added["replica_model_uid"] == "several-rep2"
    assert [r["replica_id"] for r in xinference.add_model_replica(uid, replica=2)["replicas"]] == [3, 4]
    (instance,) = xinference.get_instance_info(MODEL, uid)
    assert instance["replica"] == 5
    assert xinference.terminate_model_replica(uid, 0) == 4
    for replica in (1, 2, 3):
        xinference.terminate_model_replica(uid, replica)
    assert xinference.terminate_model_replica(uid, 4) == 0
    assert uid not in xinference.list_models()
    with pytest.raises(RuntimeError):
        xinference.terminate_model_replica(uid, 4)


def test_registrations(xinference, tmp_path):
    spec = dict(version=2, model_name="my-own", model_lang=["en"], model_ability=["chat"], context_length=512,
                model_specs=[dict(model_format="ggufv2", model_size_in_billions="0_1", quantization="f32",
                                  model_uri=str(tmp_path))])
    xinference.register_model("LLM", json.dumps(spec), persist=True)
    try:
        (mine,) = [r for r in xinference.list_model_registrations("LLM") if r["model_name"] == "my-own"]
        assert mine["is_builtin"] is False
        assert xinference.get_model_registration("LLM", "my-own")["context_length"] == 512
        with pytest.raises(RuntimeError):
            xinference.register_model("LLM", json.dumps(spec), persist=True)
    finally:
        xinference.unregister_model("LLM", "my-own")
    xinference.unregister_model("LLM", "my-own")
    for bad in ("{", json.dumps(dict(spec, version=1)), json.dumps(dict(spec, model_name="a b"))):
        with pytest.raises(RuntimeError):
            xinference.register_model("LLM", bad, persist=False)


def test_autostart_and_the_cluster(xinference, launched):
    assert launched in [m["launch"]["model_uid"] for m in xinference.get_autostart_config()["models"]]
    xinference.upsert_autostart_model(dict(enabled=True, launch=dict(model_name=MODEL, model_uid="with-the-next-start")))
    uids = [m["model_uid"] for m in xinference.get_autostart_model_summary()["models"]]
    assert "with-the-next-start" in uids
    xinference.remove_autostart_model("with-the-next-start")
    assert xinference.get_workers_info()[0]["work-ip"]
    assert xinference.get_supervisor_info()["supervisor_ip"]
    assert isinstance(xinference.list_cached_models(), list)
    assert set(xinference.vllm_models()) == {"chat", "generate"}
    assert xinference.get_model_reload_status(launched)["status"] == "idle"
    assert xinference.abort_request("nope", "request") in ({"msg": "NO_OP"}, {"msg": "NOT_FOUND"})


def test_the_async_client(url, launched):
    import asyncio

    from xinference_client import AsyncRESTfulClient

    async def use():
        client = AsyncRESTfulClient(url)
        assert launched in await client.list_models()
        handle = await client.get_model(launched)
        answer = await handle.chat(HELLO, generate_config={"max_tokens": 4})
        assert answer["usage"]["completion_tokens"] > 0
        assert (await client.get_launch_model_progress("nope"))["stage"] == "pending"
        assert await client.query_engine_by_model_name("no-such-model") is None
        with pytest.raises(RuntimeError):
            await client.terminate_model("nope")
        await client.close()

    asyncio.run(use())


def test_handle_chats(xinference, launched):
    model = xinference.get_model(launched)
    assert isinstance(model, RESTfulChatModelHandle)
    answer = model.chat(HELLO, generate_config={"temperature": 0, "max_tokens": 16})
    assert answer["model"] == launched
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["usage"]["completion_tokens"] > 0

    chunks = list(model.chat(HELLO, generate_config={
        "temperature": 0, "max_tokens": 16, "stream": True, "stream_options": {"include_usage": True}}))
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0
    assert chunks[-2]["choices"][0]["delta"] == {"content": ""}
    assert chunks[-2]["choices"][0]["finish_reason"] in ("stop", "length")
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert text == answer["choices"][0]["message"]["content"]


def test_handle_takes_thinking_switch_and_generates(xinference, launched):
    model = xinference.get_model(launched)
    assert model.chat(HELLO, enable_thinking=False, generate_config={"max_tokens": 4})["choices"]
    answer = model.generate("Gantry is", {"max_tokens": 8, "temperature": 0})
    assert answer["object"] == "text_completion"
    text = "".join(c["choices"][0]["text"]
                   for c in model.generate("Gantry is", {"max_tokens": 8, "temperature": 0, "stream": True}))
    assert text == answer["choices"][0]["text"]


@pytest.mark.parametrize("arguments,words", [
    (dict(model_name="no-such-model"), "no-such-model"),
    (dict(model_name=MODEL, model_uid=UID), UID),
    (dict(model_name=MODEL, model_engine="warp"), "warp"),
    (dict(model_name=MODEL, replica=0), "replica"),
    (dict(model_name=MODEL, n_gpu=-1), "n_gpu"),
])
def test_bad_launches_raise_with_the_reason(xinference, launched, arguments, words):
    with pytest.raises(RuntimeError, match=words):
        xinference.launch_model(**arguments)


def test_bad_calls_raise_with_the_reason(xinference, launched):
    with pytest.raises(RuntimeError, match="nope"):
        xinference.get_model("nope")
    with pytest.raises(RuntimeError, match="nope"):
        xinference.terminate_model("nope")
    model = xinference.get_model(launched)
    with pytest.raises(RuntimeError, match="temperature"):
        model.chat(HELLO, generate_config={"temperature": 9})
    with pytest.raises(RuntimeError, match="prompt"):
        model.generate({"max_tokens": 4})
    assert model.chat(HELLO, generate_config={"max_tokens": 2})["choices"], "the session goes on after errors"


def test_registrations_and_engines(xinference, launched):
    assert MODEL in {r["model_name"] for r in xinference.list_model_registrations("LLM")}
    assert xinference.query_engine_by_model_name(MODEL)


# ---- OpenAI's client


def test_openai_lists_models(client, launched):
    assert launched in {m.id for m in client.models.list()}
    assert client.models.retrieve(launched).id == launched


def test_openai_chats(client, launched):
    answer = client.chat.completions.create(model=launched, messages=HELLO, temperature=0, max_tokens=16)
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.prompt_tokens > 0 and answer.usage.prompt_tokens_details.cached_tokens >= 0
    stream = client.chat.completions.create(model=launched, messages=HELLO, temperature=0, max_tokens=16, stream=True,
                                            stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == answer.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens


def test_openai_options(client, launched):
    one = client.chat.completions.create(model=launched, messages=HELLO, temperature=1, seed=7, max_tokens=12)
    two = client.chat.completions.create(model=launched, messages=HELLO, temperature=1, seed=7, max_completion_tokens=12)
    assert one.choices[0].message.content == two.choices[0].message.content
    several = client.chat.completions.create(model=launched, messages=HELLO, n=3, max_tokens=4)
    assert [c.index for c in several.choices] == [0, 1, 2]
    with_logprobs = client.chat.completions.create(model=launched, messages=HELLO, max_tokens=3, logprobs=True,
                                                   top_logprobs=2, temperature=0)
    tokens = with_logprobs.choices[0].logprobs.content
    assert tokens and all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in tokens)
    assert bytes(b for t in tokens for b in t.bytes).decode(errors="ignore").startswith(
        with_logprobs.choices[0].message.content[:1])
    raw = client.chat.completions.with_raw_response.create(model=launched, messages=HELLO, max_tokens=2,
                                                           extra_body={"frobnicate": 1, "top_k": 5})
    assert raw.headers["X-Gantry-Ignored"] == "frobnicate"
    assert raw.headers["X-Request-Id"]


def test_openai_completes(client, launched):
    answer = client.completions.create(model=launched, prompt="Gantry is", max_tokens=8, temperature=0)
    pieces = client.completions.create(model=launched, prompt="Gantry is", max_tokens=8, temperature=0, stream=True)
    assert "".join(p.choices[0].text for p in pieces if p.choices) == answer.choices[0].text
    several = client.completions.create(model=launched, prompt=["Gantry is", "A model"], max_tokens=4, temperature=0)
    assert [c.index for c in several.choices] == [0, 1]
    echoed = client.completions.create(model=launched, prompt="Gantry is", max_tokens=4, temperature=0, echo=True)
    assert echoed.choices[0].text.startswith("Gantry is")


def test_openai_scores_prompts_and_ranks_answers(client, launched):
    def complete(**arguments):
        return client.completions.create(model=launched, prompt="Gantry is", **arguments)

    scored = complete(max_tokens=3, temperature=0, echo=True, logprobs=2).choices[0]
    assert scored.text.startswith("Gantry is")
    tokens = scored.logprobs
    assert tokens.token_logprobs[0] is None and tokens.top_logprobs[0] is None
    assert all(value <= 0 for value in tokens.token_logprobs[1:])
    assert all(len(top) in (2, 1) for top in tokens.top_logprobs[1:])  # alternatives of one text fall together
    assert tokens.text_offset == sorted(tokens.text_offset) and len(tokens.tokens) > 3
    pieces = list(complete(max_tokens=3, temperature=0, echo=True, logprobs=2, stream=True))
    assert sum(len(p.choices[0].logprobs.tokens) for p in pieces if p.choices and p.choices[0].logprobs) == len(tokens.tokens)
    plain = complete(max_tokens=3, temperature=0, logprobs=2).choices[0]
    assert plain.logprobs.token_logprobs == pytest.approx(tokens.token_logprobs[-len(plain.logprobs.tokens):], abs=1e-3)

    def summed(choice):
        return sum(choice.logprobs.token_logprobs)

    several = complete(n=6, seed=5, temperature=1, max_tokens=4, logprobs=0, extra_body={"ignore_eos": True})
    best = complete(n=2, best_of=6, seed=5, temperature=1, max_tokens=4, logprobs=0, extra_body={"ignore_eos": True})
    ranked = sorted((summed(c) for c in several.choices), reverse=True)
    assert [summed(c) for c in best.choices] == pytest.approx(ranked[:2], abs=1e-3)
    assert best.usage.completion_tokens == 24

    beams = complete(n=2, max_tokens=4, extra_body={"use_beam_search": True, "beam_width": 4, "ignore_eos": True})
    found = [c.text for c in beams.choices]
    assert len(set(found)) == 2
    again = complete(n=2, max_tokens=4, extra_body={"use_beam_search": True, "beam_width": 4, "ignore_eos": True})
    assert [c.text for c in again.choices] == found

    prompt = client.chat.completions.create(model=launched, messages=HELLO, max_tokens=1,
                                            extra_body={"prompt_logprobs": 1}).model_extra["prompt_logprobs"]
    assert prompt[0] is None and all(1 <= len(entry) <= 2 for entry in prompt[1:])


def test_openai_samples_as_other_servers_do(client, launched):
    def text(**extra):
        answer = client.chat.completions.create(model=launched, messages=HELLO, seed=3, max_tokens=8, extra_body=extra)
        return answer.choices[0].message.content

    for extra in [{"typical_p": 0.5}, {"top_n_sigma": 1.0}, {"xtc_probability": 0.5, "xtc_threshold": 0.1},
                  {"dry_multiplier": 0.8, "dry_sequence_breakers": ["\n"]}, {"mirostat": 1}, {"mirostat": 2},
                  {"dynatemp_range": 0.5}, {"repetition_penalty": 1.2, "repeat_last_n": 8}, {"bad_words": ["the", "a"]}]:
        assert text(**extra) == text(**extra), extra
    assert text(deterministic=True) == text(deterministic=True)
    with pytest.raises(openai.BadRequestError) as error:
        text(allowed_token_ids=[10 ** 8])
    assert "allowed_token_ids" in str(error.value)


def test_openai_errors_have_their_classes(client, launched):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nope", messages=HELLO)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")
    for arguments, param in [(dict(temperature=9), "temperature"), (dict(max_tokens=0), "max_tokens"),
                             (dict(response_format={"type": "xml"}), "response_format.type"),
                             (dict(messages=[{"role": "user", "content": [
                                 {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}]),
                              "messages[0].content[0]")]:
        with pytest.raises(openai.BadRequestError) as error:
            client.chat.completions.create(**{"model": launched, "messages": HELLO, **arguments})
        assert error.value.param == param
        assert error.value.code == "invalid_argument"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=launched, messages=[{"role": "user", "content": "word " * 50000}])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=launched, messages=[{"role": "user", "content": "word " * 50000}], stream=True)
    large = openai.OpenAI(base_url=client.base_url, api_key="none", max_retries=0)
    with pytest.raises(openai.APIError):
        large.chat.completions.create(model=launched, messages=[{"role": "user", "content": "a" * 40_000_000}])


def test_openai_answers_have_the_form_asked_for(client, launched):
    def chat(seed, **arguments):
        answer = client.chat.completions.create(model=launched, messages=HELLO, seed=seed, max_tokens=200, temperature=1.5,
                                                **arguments).choices[0]
        return answer.message.content, answer.finish_reason

    for seed in range(3):
        assert chat(seed, extra_body={"guided_choice": ["yes", "no"]}) in [("yes", "stop"), ("no", "stop")]
        text, reason = chat(seed, extra_body={"guided_regex": r"[a-f]{3}-\d{2}"})
        assert reason == "stop" and re.fullmatch(r"[a-f]{3}-\d{2}", text)
        text, reason = chat(seed, extra_body={"guided_grammar": 'root ::= "(" root ")" | "x"{2}'})
        assert reason == "length" or re.fullmatch(r"\(*xx\)*", text)
        text, reason = chat(seed, extra_body={"response_format": {"type": "grammar", "syntax": "lark",
                                                                  "grammar": 'start: "a" ~ 2..3 ("," INT)?\n%import common.INT'}})
        assert reason == "length" or re.fullmatch(r"aa?a(,\d+)?", text)
        text, reason = chat(seed, response_format={"type": "json_object"})
        assert reason == "length" or isinstance(json.loads(text), dict)
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}, "n": {"enum": [1, 2]}}, "required": ["ok", "n"],
                  "additionalProperties": False}
        for asked in [{"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}},
                      {"extra_body": {"guided_json": schema}}]:
            text, reason = chat(seed, **asked)
            assert reason == "length" or set(json.loads(text)) == {"ok", "n"}
        pieces = client.chat.completions.create(model=launched, messages=HELLO, stream=True, seed=seed, max_tokens=50,
                                                extra_body={"structured_outputs": {"regex": "(ab|cd){4}"}})
        assert re.fullmatch("(ab|cd){4}", "".join(p.choices[0].delta.content or "" for p in pieces if p.choices))
    for body, part in [({"guided_regex": "a(?=b)"}, "look-around"), ({"guided_grammar": "root ::= x"}, "line 1, column 10"),
                       ({"guided_choice": []}, "empty"), ({"response_format": {"type": "structural_tag"}}, "triggers")]:
        with pytest.raises(openai.BadRequestError) as error:
            chat(0, extra_body=body)
        assert part in str(error.value)


def test_openai_stream_can_be_left(client, launched):
    stream = client.chat.completions.create(model=launched, messages=HELLO, stream=True, max_tokens=400,
                                            extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    assert client.chat.completions.create(model=launched, messages=HELLO, max_tokens=2).choices


# ---- the end


def test_terminate(xinference, launched):
    assert xinference.terminate_model(launched) is None
    assert launched not in xinference.list_models()
    with pytest.raises(RuntimeError):
        xinference.terminate_model(launched)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)

    class Given:
        """Hands what was given on the command line to the module that pytest imports."""

        @staticmethod
        def pytest_collection_modifyitems(items):
            module = items[0].module
            module.BASE_URL = sys.argv[1].rstrip("/")
            module.MODEL = sys.argv[2] if len(sys.argv) > 2 else MODEL

    sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", __file__], plugins=[Given]))
