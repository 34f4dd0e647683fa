"""The unmodified `openai` package: the Responses API, and the class of each error."""
import asyncio
import inspect
import json
from typing import Literal

import openai
import pydantic
import pytest

from harness import KeyServer

UID = "demo"
HELLO = [{"role": "user", "content": "What is Gantry?"}]
TOOLS = [{"type": "function", "name": "add", "description": "Adds two numbers.", "strict": True,
          "parameters": {"type": "object", "properties": {"a": {"enum": ["one", "two"]},
                                                          "b": {"enum": ["one", "two"]}},
                         "required": ["a", "b"], "additionalProperties": False}}]
TOOLS_CHAT = [{"type": "function", "function": {k: v for k, v in TOOLS[0].items() if k != "type"}}]


@pytest.fixture(scope="module")
def client(server):
    server.launch(UID)
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def test_a_response_is_made_kept_and_forgotten(client):
    made = client.responses.create(model=UID, input="What is Gantry?", temperature=0, max_output_tokens=24,
                                   metadata={"a": "b"})
    assert made.output_text and made.status in ("completed", "incomplete") and made.metadata == {"a": "b"}
    assert made.usage.output_tokens > 0 and made.usage.total_tokens > made.usage.output_tokens
    assert client.responses.retrieve(made.id).output_text == made.output_text
    (item,) = client.responses.input_items.list(made.id).data
    assert item.content[0].text == "What is Gantry?"
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_responses_stream(client):
    whole = client.responses.create(model=UID, input=HELLO, temperature=0, max_output_tokens=24).output_text
    with client.responses.stream(model=UID, input=HELLO, temperature=0, max_output_tokens=24) as stream:
        events = list(stream)
    final = events[-1].response
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole == final.output_text
    assert [e.sequence_number for e in events] == sorted({e.sequence_number for e in events})
    assert events[0].type == "response.created"
    assert events[-1].type in ("response.completed", "response.incomplete")


def test_conversations_go_on(client):
    first = client.responses.create(model=UID, input="What is Gantry?", temperature=0, max_output_tokens=24)
    second = client.responses.create(model=UID, input="Say more.", previous_response_id=first.id, temperature=0,
                                     max_output_tokens=24)
    assert second.usage.input_tokens > first.usage.input_tokens and second.previous_response_id == first.id
    unkept = client.responses.create(model=UID, input="x", store=False, max_output_tokens=2)
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model=UID, input="y", previous_response_id=unkept.id)
    assert raised.value.param == "previous_response_id"


def test_functions_are_called_and_answered(client):
    question = [{"role": "user", "content": "What is 2 plus 3?"}]
    asked = dict(model=UID, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, temperature=0,
                 max_output_tokens=200)
    answer = client.responses.create(input=question, **asked)
    call = [o for o in answer.output if o.type == "function_call"][0]
    assert call.name == "add" and json.loads(call.arguments)["a"] in ("one", "two")
    with client.responses.stream(input=question, **asked) as stream:
        deltas = "".join(e.delta for e in stream if e.type == "response.function_call_arguments.delta")
    assert deltas == call.arguments
    again = client.responses.create(
        model=UID, input=question + list(answer.output) +
        [{"type": "function_call_output", "call_id": call.call_id, "output": "5"}], max_output_tokens=24)
    assert again.status


def test_responses_keep_to_a_schema(client):
    schema = {"type": "object", "properties": {"n": {"enum": ["one", "two"]}}, "required": ["n"],
              "additionalProperties": False}
    answer = client.responses.create(model=UID, input=HELLO, max_output_tokens=200, text={
        "format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}})
    assert json.loads(answer.output_text)["n"] in ("one", "two")


@pytest.mark.parametrize("call,error,param", [
    (lambda c: c.chat.completions.create(model="nope", messages=HELLO), openai.NotFoundError, "model"),
    (lambda c: c.responses.create(model="nope", input="x"), openai.NotFoundError, "model"),
    (lambda c: c.models.retrieve("nope"), openai.NotFoundError, "model"),
    (lambda c: c.chat.completions.create(model=UID, messages=[]), openai.BadRequestError, "messages"),
    (lambda c: c.chat.completions.create(model=UID, messages=HELLO, temperature=-1), openai.BadRequestError,
     "temperature"),
    (lambda c: c.chat.completions.create(model=UID, messages=HELLO, modalities=["text", "audio"],
                                         audio={"voice": "ash", "format": "wav"}), openai.BadRequestError, "audio"),
    (lambda c: c.completions.create(model=UID, prompt="a", suffix="b"), openai.BadRequestError, "suffix"),
    (lambda c: c.images.generate(model=UID, prompt="a cat"), openai.NotFoundError, "model"),
    (lambda c: c.audio.speech.create(model=UID, voice="ash", input="x"), openai.NotFoundError, "model"),
    (lambda c: c.responses.create(model=UID, input="x", background=True), openai.BadRequestError, "background"),
])
def test_errors_are_of_the_class_that_they_should_be(client, call, error, param):
    with pytest.raises(error) as raised:
        call(client)
    assert raised.value.param == param and raised.value.message


def test_a_body_that_is_too_large_is_an_error_of_its_own(client):
    with pytest.raises((openai.APIStatusError, openai.APIConnectionError)) as raised:
        client.completions.create(model=UID, prompt="x" * (33 << 20))
    assert getattr(raised.value, "status_code", 413) == 413


# One value for each field of the package's methods: taken, or refused by name where it would change the answer. A field
# that a newer package adds fails here until somebody has looked at it.
CHAT = {
    "audio": {"voice": "ash", "format": "wav"}, "frequency_penalty": 0.5, "function_call": "none",
    "functions": [{"name": "add", "parameters": {"type": "object", "properties": {}}}], "logit_bias": {"5": -100},
    "logprobs": True, "max_completion_tokens": 4, "max_tokens": 4, "metadata": {"a": "b"}, "modalities": ["text"],
    "moderation": {"model": "omni"}, "n": 2, "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "Gantry is"}, "presence_penalty": 0.5, "prompt_cache_key": "k",
    "prompt_cache_options": {}, "prompt_cache_retention": "24h", "reasoning_effort": "low",
    "response_format": {"type": "text"}, "safety_identifier": "ann", "seed": 7, "service_tier": "auto", "stop": ["END"],
    "store": False, "stream": False, "stream_options": None, "temperature": 0.5, "tool_choice": "auto", "tools": TOOLS_CHAT,
    "top_logprobs": 2, "top_p": 0.9, "user": "ann", "verbosity": "low", "web_search_options": {}}
COMPLETION = {"best_of": 2, "echo": True, "frequency_penalty": 0.5, "logit_bias": {"5": -100}, "logprobs": 2,
              "max_tokens": 4, "n": 2, "presence_penalty": 0.5, "seed": 7, "stop": "END", "stream": False,
              "stream_options": None, "suffix": "end", "temperature": 0.5, "top_p": 0.9, "user": "ann"}
RESPONSE = {
    "access_programs": [], "background": True, "background_options": {}, "context_management": [], "conversation": "c1",
    "image": {}, "include": ["message.output_text.logprobs"], "instructions": "Be brief.", "max_output_tokens": 16,
    "max_tool_calls": 3, "metadata": {"a": "b"}, "moderation": {"model": "omni"}, "parallel_tool_calls": False,
    "previous_response_id": "resp_nobody", "prompt": {"id": "pmpt_1"}, "prompt_cache_key": "k", "prompt_cache_options": {},
    "prompt_cache_retention": "24h", "reasoning": {"effort": "low"}, "safety_identifier": "ann", "service_tier": "auto",
    "store": False, "stream": False, "stream_options": None, "temperature": 0.5, "text": {"format": {"type": "text"}},
    "tool_choice": "auto", "tools": TOOLS, "top_logprobs": 2, "top_p": 0.9, "truncation": "disabled", "user": "ann"}
REFUSED = {"audio", "functions", "context_management", "suffix", "background", "conversation", "prompt", "previous_response_id", "web_search_options"}


@pytest.mark.parametrize("method,values,given", [
    (lambda c: c.chat.completions.create, CHAT, {"messages": HELLO}),
    (lambda c: c.completions.create, COMPLETION, {"prompt": "Gantry is"}),
    (lambda c: c.responses.create, RESPONSE, {"input": "What is Gantry?"}),
])
def test_every_field_is_taken_or_refused_by_name(client, method, values, given):
    call = method(client)
    others = {"model", "timeout", "extra_headers", "extra_query", "extra_body", *given}
    assert set(inspect.signature(call).parameters) - others == set(values), "look at what the package has learned"
    wrong = []
    for name, value in values.items():
        beside = {"top_logprobs": {"logprobs": True}, "audio": {"modalities": ["text", "audio"]},
                  "tool_choice": {"tools": values.get("tools")},
                  "parallel_tool_calls": {"tools": values.get("tools")}}.get(name, {})
        if "input" in given:
            beside.pop("logprobs", None)
        try:
            answer = call(model=UID, **given, **{"max_output_tokens" if "input" in given else "max_tokens": 16,
                                                 name: value, **beside})
            wrong += [f"{name} is taken"] if name in REFUSED or not answer.id else []
        except openai.BadRequestError as e:
            wrong += [] if name in REFUSED and name in f"{e.param} {e}" else [f"{name}: {e}"]
    assert not wrong


def test_fields_have_their_effect(client):
    def chat(**more):
        return client.chat.completions.create(model=UID, messages=HELLO, temperature=0, **{"max_tokens": 12, **more})

    plain = chat().choices[0].message.content
    first = client.chat.completions.create(model=UID, messages=HELLO, temperature=0, max_tokens=1, logprobs=True)
    token = client.post("/tokenize", body={"model": UID, "prompt": first.choices[0].message.content,
                                           "add_special_tokens": False}, cast_to=object)["tokens"][0]
    assert chat(logit_bias={str(token): -100}).choices[0].message.content != plain
    assert chat(max_tokens=None, max_completion_tokens=3).usage.completion_tokens == 3
    assert chat(prediction={"type": "content", "content": plain}).choices[0].message.content == plain
    word = plain.split()[1]
    stopped = chat(stop=word).choices[0]
    assert stopped.finish_reason == "stop" and stopped.message.content == plain[:plain.index(word)]
    assert chat(max_tokens=2).choices[0].finish_reason == "length"
    parts = [{"role": "user", "content": [{"type": "text", "text": HELLO[0]["content"]}]}]
    assert client.chat.completions.create(model=UID, messages=parts, temperature=0,
                                          max_tokens=12).choices[0].message.content == plain


def test_types_are_parsed(client):
    class Pair(pydantic.BaseModel):
        a: Literal["one", "two"]

    chat = client.chat.completions.parse(model=UID, messages=HELLO, response_format=Pair, max_tokens=100)
    assert chat.choices[0].message.parsed.a in ("one", "two")
    tool = openai.pydantic_function_tool(Pair)
    called = client.chat.completions.parse(model=UID, messages=HELLO, tools=[tool], tool_choice="required",
                                            parallel_tool_calls=False, max_tokens=100)
    assert called.choices[0].message.tool_calls[0].function.parsed_arguments.a in ("one", "two")
    response = client.responses.parse(model=UID, input=HELLO, text_format=Pair, max_output_tokens=100)
    assert response.output_parsed.a in ("one", "two")


def test_the_asynchronous_client(client):
    async def run():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="none", max_retries=0) as other:
            stream = await other.chat.completions.create(model=UID, messages=HELLO, temperature=0, max_tokens=12, stream=True)
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            several = await asyncio.gather(*[other.chat.completions.create(
                model=UID, messages=HELLO, temperature=0, max_tokens=12) for _ in range(4)])
            return {text, *[a.choices[0].message.content for a in several]}

    assert len(asyncio.run(run())) == 1


@pytest.fixture(scope="module")
def guarded():
    with KeyServer() as server:
        server.launch(UID)
        yield server


@pytest.mark.parametrize("wish,error", [
    (None, openai.AuthenticationError), ({"scope": "read"}, openai.PermissionDeniedError),
    ({"models": ["another"]}, openai.PermissionDeniedError), ({"requests_per_minute": 1}, openai.RateLimitError)])
def test_refusals_have_their_classes(guarded, wish, error):
    key = guarded.call("POST", "/gantry/v1/keys", dict(wish, name="k")).json["key"] if wish else "wrong"
    client = openai.OpenAI(base_url=guarded.url + "/v1", api_key=key, max_retries=0)
    for stream in (False, True):
        with pytest.raises(error) as raised:
            for _ in range(2):
                client.chat.completions.create(model=UID, messages=HELLO, max_tokens=2, stream=stream)
        assert raised.value.message and raised.value.code and raised.value.request_id
