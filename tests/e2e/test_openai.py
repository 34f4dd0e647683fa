"""The unmodified `openai` package: the Responses API, and the class of each error."""
import json

import openai
import pytest

UID = "demo"
HELLO = [{"role": "user", "content": "What is Gantry?"}]
TOOLS = [{"type": "function", "name": "add", "description": "Adds two numbers.", "strict": True,
          "parameters": {"type": "object", "properties": {"a": {"enum": ["one", "two"]},
                                                          "b": {"enum": ["one", "two"]}},
                         "required": ["a", "b"], "additionalProperties": False}}]


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
