"""Structured output together with tools and reasoning, through the unmodified openai client, streamed and whole."""
import json
import pathlib
import struct

import jsonschema
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

ROOT = pathlib.Path(__file__).resolve().parents[2]
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"type": "integer"}},
        "required": ["city"], "additionalProperties": False}
MAIL = {"type": "object", "properties": {"to": {"enum": ["ann", "bob"]}, "urgent": {"type": "boolean"}},
        "required": ["to", "urgent"], "additionalProperties": False}
PARAMETERS = {"get_weather": CITY, "mail": MAIL}
TOOLS = [{"type": "function", "function": {"name": name, "description": name, "parameters": schema}}
         for name, schema in PARAMETERS.items()]
ANSWER = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}, "points": {"type": "array", "items": {
    "type": "integer", "minimum": 0, "maximum": 9}, "maxItems": 3}}, "required": ["mood", "points"], "additionalProperties": False}
FORM = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": ANSWER}}


def with_reasoning(target):
    """The demo model, whose template now opens the reasoning."""
    data = (ROOT / "configs/models/gantry-demo.gguf").read_bytes()
    at = 24

    def number(form):
        nonlocal at
        value, = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return value

    def skip(kind):
        nonlocal at
        if kind == 8:
            length = number("<Q")
            at += length
        elif kind == 9:
            inner, count = number("<I"), number("<Q")
            for _ in range(count):
                skip(inner)
        else:
            at += {0: 1, 1: 1, 7: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4}.get(kind, 8)

    tensors, pairs = struct.unpack_from("<QQ", data, 8)
    for _ in range(pairs):
        skip(8)
        skip(number("<I"))
    for _ in range(tensors):
        skip(8)
        dimensions = number("<I")
        at += 8 * dimensions + 12
    head, body = data[:at], data[(at + 31) // 32 * 32:]
    key = head.index(b"tokenizer.chat_template") + len(b"tokenizer.chat_template") + 4
    length, = struct.unpack_from("<Q", head, key)
    template = head[key + 8:key + 8 + length].replace(rb"<|im_start|>assistant\n", rb"<|im_start|>assistant\n<think>\n")
    assert len(template) > length
    head = head[:key] + struct.pack("<Q", len(template)) + template + head[key + 8 + length:]
    target.write_bytes(head + b"\0" * (-len(head) % 32) + body)
    return target


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    assert server.call("POST", "/v1/models", {"model_name": "gantry-demo", "model_uid": "demo"}).status == 200
    thinker = with_reasoning(tmp_path_factory.mktemp("models") / "thinker.gguf")
    launched = server.call("POST", "/v1/models", {"model_name": str(thinker), "model_uid": "thinker",
                                                      "reasoning_parser": "think"})
    assert launched.status == 200, launched.json
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def ask(client, text="What is the weather in Paris?", model="demo", **fields):
    fields = {"temperature": 0, "max_tokens": 1200, "messages": [{"role": "user", "content": text}], **fields}
    whole = client.chat.completions.create(model=model, **fields)
    state = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(model=model, stream=True, **fields):
        state.handle_chunk(chunk)
    streamed = state.get_final_completion()
    message, other = whole.choices[0].message, streamed.choices[0].message
    assert (message.content or "") == (other.content or "")
    calls = [(c.function.name, c.function.arguments) for c in message.tool_calls or []]
    assert calls == [(c.function.name, c.function.arguments) for c in other.tool_calls or []]
    assert whole.choices[0].finish_reason == streamed.choices[0].finish_reason
    for name, arguments in calls:
        jsonschema.validate(json.loads(arguments), PARAMETERS[name])
    return whole.choices[0], calls


def check_content(choice):
    assert choice.finish_reason == "stop"
    jsonschema.validate(json.loads(choice.message.content), ANSWER)


@pytest.mark.parametrize("model", ["demo", "thinker"])
@pytest.mark.parametrize("seed", range(4))
def test_either_a_call_or_the_form(client, model, seed):
    choice, calls = ask(client, model=model, tools=TOOLS, response_format=FORM, temperature=2.0, seed=seed,
                        extra_body={"max_reasoning_tokens": 8})
    if calls:
        assert choice.finish_reason in ("tool_calls", "length")
        assert not choice.message.content
    else:
        check_content(choice)


@pytest.mark.parametrize("model", ["demo", "thinker"])
def test_calls_that_are_demanded(client, model):
    more = {"max_reasoning_tokens": 8}
    choice, calls = ask(client, model=model, tools=TOOLS, tool_choice="required", response_format=FORM,
                        extra_body=more, parallel_tool_calls=False)
    assert len(calls) == 1 and choice.finish_reason == "tool_calls" and not choice.message.content
    choice, calls = ask(client, model=model, tools=TOOLS, extra_body=more, response_format=FORM,
                        tool_choice={"type": "function", "function": {"name": "mail"}})
    assert [name for name, _ in calls] == ["mail"] and choice.finish_reason == "tool_calls"


def test_no_calls(client):
    choice, calls = ask(client, tools=TOOLS, tool_choice="none", response_format=FORM)
    assert not calls
    check_content(choice)


def test_other_forms_with_tools(client):
    for field, value, allowed in (("guided_choice", ["yes", "no"], ["yes", "no"]),
                                  ("guided_regex", "[ab]{3}", None)):
        choice, calls = ask(client, tools=TOOLS, tool_choice="none", extra_body={field: value})
        assert not calls
        assert choice.message.content in allowed if allowed else set(choice.message.content) <= set("ab")
        choice, calls = ask(client, "Hello", tools=TOOLS, extra_body={field: value}, seed=1)
        assert calls or (choice.message.content in allowed if allowed else len(choice.message.content) == 3)


def test_strict_tools_are_held_to_their_schema(client):
    strict = [{"type": "function", "function": {**tool["function"], "strict": True}} for tool in TOOLS]
    ask(client, tools=strict)
    for seed in range(8):
        ask(client, tools=strict, temperature=1.5, seed=seed)
    choice, calls = ask(client, "What is Gantry?", tools=strict)
    assert choice.message.content or calls


def test_what_cannot_be_enforced_is_refused_by_name(client):
    bad = json.loads(json.dumps(TOOLS[:1]))
    bad[0]["function"]["parameters"]["properties"]["city"]["pattern"] = "(a)\\1"
    with pytest.raises(openai.BadRequestError, match="pattern"):
        ask(client, tools=bad, tool_choice="required")
    bad[0]["function"]["strict"] = "yes"
    with pytest.raises(openai.BadRequestError, match="strict"):
        ask(client, tools=bad)


def test_reasoning_that_does_not_end_has_no_content(client):
    choice = client.chat.completions.create(model="thinker", response_format=FORM, max_tokens=12, temperature=0,
                                            messages=[{"role": "user", "content": "Hello"}]).choices[0]
    assert choice.finish_reason == "length" and not choice.message.content
