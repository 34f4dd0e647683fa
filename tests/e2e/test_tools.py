"""Tool calls through the unmodified openai client, streamed and not; its own accumulation must accept every chunk."""
import json

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from harness import Server

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
ASK = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.fixture(scope="module")
def client(server):
    assert server.call("POST", "/v1/models", {"model_name": "gantry-demo", "model_uid": "demo"}).status == 200
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def ask(client, **fields):
    fields = {"messages": ASK, "tools": [WEATHER], "temperature": 0, "max_tokens": 80, **fields}
    return client.chat.completions.create(model="demo", **fields)


def streamed(client, **fields):
    state = ChatCompletionStreamState()
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, **fields))
    for chunk in chunks:
        state.handle_chunk(chunk)
    return state.get_final_completion(), chunks


def check_call(choice):
    assert choice.finish_reason == "tool_calls"
    assert not choice.message.content
    (call,) = choice.message.tool_calls
    assert call.type == "function" and call.id.startswith("call_")
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    return call


def test_the_format_is_told(server, client):
    model = server.call("GET", "/gantry/v1/models/demo").json
    assert model["tool_parser"] == "hermes"
    assert "tools" in model["abilities"]


def test_a_call_and_its_result(client):
    answer = ask(client)
    call = check_call(answer.choices[0])
    followed = ask(client, messages=ASK + [answer.choices[0].message, {
        "role": "tool", "tool_call_id": call.id, "content": "sunny"}])
    assert followed.choices[0].finish_reason == "stop"
    assert "sunny" in followed.choices[0].message.content
    assert followed.choices[0].message.tool_calls in (None, [])


def test_streamed_calls_are_put_together_by_the_client(client):
    final, chunks = streamed(client)
    check_call(final.choices[0])
    begun = [c for c in chunks if c.choices and c.choices[0].delta.tool_calls]
    assert begun[0].choices[0].delta.tool_calls[0].function.name == "get_weather"
    assert all(not c.choices[0].delta.tool_calls[0].function.name for c in begun[1:])
    assert len(begun) > 2, "the arguments did not stream"
    assert not any("tool_call" in (c.choices[0].delta.content or "") for c in chunks if c.choices)


def test_several_answers(client):
    for choice in ask(client, n=3).choices:
        check_call(choice)


def test_no_tools_no_calls(client):
    answer = ask(client, tool_choice="none")
    assert not answer.choices[0].message.tool_calls
    plain = ask(client, tools=openai.NOT_GIVEN, messages=[{"role": "user", "content": "What is Gantry?"}])
    assert plain.choices[0].message.tool_calls is None
    assert plain.choices[0].message.content


def test_wrong_choices_are_refused(client):
    with pytest.raises(openai.BadRequestError, match="tool_choice"):
        ask(client, tool_choice={"type": "function", "function": {"name": "nope"}})


def test_parsers_are_chosen_at_launch(server, client):
    refused = server.call("POST", "/v1/models", {
        "model_name": "gantry-demo", "model_uid": "odd", "tool_parser": "no-such"})
    assert refused.status == 400 and "hermes" in str(refused.json)
    assert server.call("POST", "/v1/models", {
        "model_name": "gantry-demo", "model_uid": "raw", "tool_parser": "none"}).status == 200
    answer = client.chat.completions.create(model="raw", messages=ASK, tools=[WEATHER], temperature=0, max_tokens=80)
    assert "<tool_call>" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    server.call("DELETE", "/v1/models/raw")


def test_the_catalog_may_name_the_parser(tmp_path):
    (tmp_path / "more.toml").write_text("""
[[model]]
name = "odd-demo"
tool_parser = "llama3"
reasoning_parser = "none"
[[model.spec]]
format = "gguf"
size_in_billions = "0.005"
path = "models/gantry-demo.gguf"
""")
    with Server(GANTRY_PATHS_CATALOG_DIRS=str(tmp_path)) as server:
        server.launch("odd", "odd-demo")
        assert server.call("GET", "/gantry/v1/models/odd").json["tool_parser"] == "llama3"
        server.launch("own", "odd-demo", tool_parser="hermes")
        assert server.call("GET", "/gantry/v1/models/own").json["tool_parser"] == "hermes"
