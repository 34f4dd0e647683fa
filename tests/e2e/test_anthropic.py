"""The unmodified `anthropic` package against a running server."""
import asyncio
import inspect
import json
from typing import Literal

import anthropic
import pydantic
import pytest

from harness import KeyServer, Server

UID = "demo"
HELLO = [{"role": "user", "content": "What is Gantry?"}]
# This version of the package has no arguments for these fields.
GREEDY = {"max_tokens": 24, "extra_body": {"temperature": 0}}
TOOLS = [{"name": "add", "description": "Adds two numbers.",
          "input_schema": {"type": "object", "properties": {"a": {"enum": ["one", "two"]},
                                                            "b": {"enum": ["one", "two"]}},
                           "required": ["a", "b"], "additionalProperties": False}}]


@pytest.fixture(scope="module")
def launched():
    with Server(GANTRY_ANTHROPIC_MODELS="opus-*=demo") as server:
        server.launch(UID)
        yield server


@pytest.fixture(scope="module")
def client(launched):
    return anthropic.Anthropic(base_url=launched.url, api_key="none", max_retries=0)


def test_a_message_is_answered(client):
    message = client.messages.create(model=UID, messages=HELLO, system="Be brief.", **GREEDY)
    assert message.id.startswith("msg_") and message.role == "assistant" and message.model == UID
    (block,) = message.content
    assert block.type == "text" and block.text
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.usage.input_tokens + message.usage.cache_read_input_tokens > 0
    assert 0 < message.usage.output_tokens <= 24
    assert message._request_id


def test_messages_stream(client):
    whole = client.messages.create(model=UID, messages=HELLO, **GREEDY).content[0].text
    with client.messages.stream(model=UID, messages=HELLO, **GREEDY) as stream:
        assert "".join(stream.text_stream) == whole
        final = stream.get_final_message()
    assert final.content[0].text == whole and final.usage.output_tokens > 0 and final.stop_reason
    types = [e.type for e in client.messages.create(model=UID, messages=HELLO, stream=True, **GREEDY)]
    assert types[0] == "message_start" and types[-2:] == ["message_delta", "message_stop"]
    assert types.count("content_block_start") == types.count("content_block_stop") == 1


def test_the_asynchronous_client(client, launched):
    async def run():
        other = anthropic.AsyncAnthropic(base_url=launched.url, api_key="none")
        async with other.messages.stream(model=UID, messages=HELLO, **GREEDY) as stream:
            return await stream.get_final_text()

    assert asyncio.run(run()) == client.messages.create(model=UID, messages=HELLO, **GREEDY).content[0].text


def test_tools_are_called_and_answered(client):
    question = [{"role": "user", "content": "What is 2 plus 3?"}]
    forced = {"type": "tool", "name": "add", "disable_parallel_tool_use": True}
    answer = client.messages.create(model=UID, messages=question, tools=TOOLS, tool_choice=forced, max_tokens=200,
                                    extra_body={"temperature": 0})
    call = [b for b in answer.content if b.type == "tool_use"][0]
    assert answer.stop_reason == "tool_use" and call.name == "add" and call.input["a"] in ("one", "two")
    with client.messages.stream(model=UID, messages=question, tools=TOOLS, tool_choice=forced, max_tokens=200,
                                extra_body={"temperature": 0}) as stream:
        deltas = "".join(e.partial_json for e in stream if e.type == "input_json")
        final = stream.get_final_message()
    streamed = [b for b in final.content if b.type == "tool_use"][0]
    assert json.loads(deltas) == streamed.input == call.input
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "5"}]}
    messages = question + [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    assert client.messages.create(model=UID, messages=messages, tools=TOOLS, **GREEDY).stop_reason


def test_what_a_coding_agent_sends_is_taken(client):
    tools = [dict(TOOLS[0], name=f"tool_{i}", cache_control={"type": "ephemeral"}) for i in range(12)]
    system = [{"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
              {"type": "text", "text": "Be brief."}]
    message = client.beta.messages.create(
        model="opus-4", messages=HELLO, system=system, tools=tools, metadata={"user_id": "ann"},
        stop_sequences=["\n\nHuman:"], betas=["nobody-knows-this-2026-01-01"], tool_choice={"type": "none"}, max_tokens=24,
        extra_body={"top_k": 1})
    assert message.model == "opus-4" and message.content


def test_tokens_are_counted(client):
    few = client.messages.count_tokens(model=UID, messages=HELLO).input_tokens
    many = client.messages.count_tokens(model=UID, messages=HELLO, system="Be brief.").input_tokens
    assert 0 < few < many
    usage = client.messages.create(model=UID, messages=HELLO, **GREEDY).usage
    assert usage.input_tokens + usage.cache_read_input_tokens == few


def test_models_are_listed(client, launched):
    page = client.models.list()
    assert [m.id for m in page] == [UID] and page.data[0].type == "model" and page.data[0].created_at.year > 2000
    assert client.models.retrieve(UID).id == UID
    assert launched.call("GET", "/v1/models").json["object"] == "list"


@pytest.mark.parametrize("change,error,words", [
    ({"model": "nope"}, anthropic.NotFoundError, "nope"),
    ({"messages": []}, anthropic.BadRequestError, "messages"),
    ({"extra_body": {"temperature": 9}}, anthropic.BadRequestError, "temperature"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {
        "type": "base64", "media_type": "image/png", "data": "AAAA"}}]}]}, anthropic.BadRequestError, "image"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, anthropic.BadRequestError, "tools.0"),
    ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, anthropic.BadRequestError, "budget_tokens"),
])
def test_errors_are_told(client, change, error, words):
    with pytest.raises(error) as raised:
        client.messages.create(**{**dict(model=UID, messages=HELLO, **GREEDY), **change})
    assert raised.value.body["type"] == "error" and words in raised.value.body["error"]["message"]
    assert raised.value.request_id


def test_stop_sequences_are_told(client):
    text = client.messages.create(model=UID, messages=HELLO, **GREEDY).content[0].text
    stop = text.split()[2]
    asked = dict(model=UID, messages=HELLO, stop_sequences=["nothing of the kind", stop], **GREEDY)
    whole = client.messages.create(**asked)
    assert whole.stop_reason == "stop_sequence" and whole.stop_sequence == stop
    assert whole.content[0].text == text[:text.index(stop)]
    with client.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "stop_sequence" and final.stop_sequence == stop
    assert final.content[0].text == whole.content[0].text
    plain = client.messages.create(model=UID, messages=HELLO, stop_sequences=["nothing of the kind"], **GREEDY)
    assert plain.stop_reason in ("end_turn", "max_tokens") and plain.stop_sequence is None


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 16}, {"type": "disabled"},
                                      {"type": "adaptive"}])
def test_thinking_may_be_asked_for(client, thinking):
    message = client.messages.create(model=UID, messages=HELLO, thinking=thinking, **GREEDY)
    assert [b.type for b in message.content][-1] == "text"
    with client.messages.stream(model=UID, messages=HELLO, thinking=thinking, **GREEDY) as stream:
        assert stream.get_final_message().content[-1].text == message.content[-1].text


def test_answers_are_parsed_into_types(client):
    class Pair(pydantic.BaseModel):
        a: Literal["one", "two"]

    parsed = client.messages.parse(model=UID, messages=HELLO, output_format=Pair, max_tokens=100)
    assert parsed.parsed_output.a in ("one", "two")


def test_every_field_is_taken_or_refused_by_name(client):
    values = {
        "cache_control": {"type": "ephemeral"}, "container": "c1", "diagnostics": {}, "inference_geo": "eu",
        "metadata": {"user_id": "ann"}, "output_config": {"effort": "low"}, "service_tier": "auto", "speed": "standard",
        "stop_sequences": ["END"], "stream": False, "system": "Be brief.", "thinking": {"type": "disabled"},
        "tool_choice": {"type": "auto"}, "tools": TOOLS, "user_profile_id": "p", "workspace_id": "w"}
    there = set(inspect.signature(client.messages.create).parameters) - {
        "model", "messages", "max_tokens", "timeout", "extra_headers", "extra_query", "extra_body"}
    assert there == set(values), "look at what the package has learned"
    for name, value in values.items():
        message = client.messages.create(model=UID, messages=HELLO, **{name: value}, **GREEDY)
        assert message.type == "message", name


@pytest.fixture(scope="module")
def guarded():
    with KeyServer("--set", "server.max_body_bytes=65536") as server:
        server.launch(UID)
        yield server


@pytest.mark.parametrize("wish,error,kind", [
    (None, anthropic.AuthenticationError, "authentication_error"),
    ({"scope": "read"}, anthropic.PermissionDeniedError, "permission_error"),
    ({"models": ["another"]}, anthropic.PermissionDeniedError, "permission_error"),
    ({"requests_per_minute": 1}, anthropic.RateLimitError, "rate_limit_error"),
])
def test_refusals_have_their_classes(guarded, wish, error, kind):
    key = guarded.call("POST", "/gantry/v1/keys", dict(wish, name="k")).json["key"] if wish else "wrong"
    client = anthropic.Anthropic(base_url=guarded.url, api_key=key, max_retries=0)
    with pytest.raises(error) as raised:
        for _ in range(2):
            client.messages.create(model=UID, messages=HELLO, **GREEDY)
    assert raised.value.body["error"]["type"] == kind and raised.value.body["error"]["message"]
    assert raised.value.request_id == raised.value.body["request_id"]


def test_a_body_that_is_too_large_has_a_class_too(guarded):
    client = anthropic.Anthropic(base_url=guarded.url, auth_token=guarded.headers["Authorization"][7:], api_key=None,
                                 max_retries=0)
    assert client.messages.create(model=UID, messages=HELLO, **GREEDY).content
    with pytest.raises(anthropic.RequestTooLargeError) as raised:
        client.messages.create(model=UID, messages=[{"role": "user", "content": "x" * 100_000}], **GREEDY)
    assert raised.value.body["error"]["type"] == "request_too_large" and raised.value.request_id
