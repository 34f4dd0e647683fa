"""What applications are built with, unmodified: LangChain, LlamaIndex, instructor, LiteLLM (`make test-long`)."""
import asyncio
import os
from typing import Literal

import pytest

if not os.environ.get("GANTRY_TEST_LONG"):
    pytest.skip("the frameworks are tested by `make test-long`", allow_module_level=True)
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask the network for prices

import instructor  # noqa: E402
import litellm  # noqa: E402
import openai  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings  # noqa: E402
from langchain_xinference import ChatXinference, Xinference, XinferenceEmbeddings, XinferenceRerank  # noqa: E402
from llama_index.core.llms import ChatMessage  # noqa: E402
from llama_index.embeddings.openai_like import OpenAILikeEmbedding  # noqa: E402
from llama_index.llms.openai_like import OpenAILike  # noqa: E402
from pydantic import BaseModel, ConfigDict  # noqa: E402

from harness import Server  # noqa: E402

QUESTION = "What is Gantry?"
HELLO = [{"role": "user", "content": QUESTION}]
WIDTH = 16


class Pair(BaseModel):
    """Two numbers."""
    model_config = ConfigDict(extra="forbid")
    a: Literal["one", "two"]
    b: Literal["one", "two"]


@pytest.fixture(scope="module")
def server():
    with Server() as s:
        s.launch("demo")
        s.launch("emb", engine="null", engine_options={"embed_width": WIDTH}, model_type="embedding")
        s.launch("rank", engine="null", engine_options={"score_width": 1}, model_type="rerank")
        yield s


@pytest.fixture(scope="module")
def truth(server):
    """What the model answers greedily, by plain HTTP."""
    return server.chat("demo", max_tokens=24).json["choices"][0]["message"]["content"]


# ---- LangChain


@pytest.fixture(scope="module")
def chain(server):
    return ChatOpenAI(base_url=server.url + "/v1", api_key="none", model="demo", temperature=0, max_tokens=24,
                      max_retries=0, stream_usage=True)


def test_langchain_openai_chats(chain, truth):
    answer = chain.invoke(QUESTION)
    assert answer.content == truth and answer.response_metadata["finish_reason"] in ("stop", "length")
    assert answer.usage_metadata["total_tokens"] > 0
    chunks = list(chain.stream(QUESTION))
    assert "".join(c.content for c in chunks) == truth
    assert sum(c.usage_metadata["output_tokens"] for c in chunks if c.usage_metadata) == \
        answer.usage_metadata["output_tokens"]
    assert [a.content for a in chain.batch([QUESTION] * 3)] == [truth] * 3
    assert asyncio.run(chain.ainvoke(QUESTION)).content == truth


def test_langchain_openai_calls_tools_and_keeps_forms(server):
    def add(a: Literal["one", "two"], b: Literal["one", "two"]) -> str:
        """Adds two numbers."""
        return a + b

    model = ChatOpenAI(base_url=server.url + "/v1", api_key="none", model="demo", temperature=0, max_tokens=200)
    answer = model.bind_tools([add], tool_choice="add", strict=True).invoke(QUESTION)
    (call,) = answer.tool_calls[:1]
    assert call["name"] == "add" and call["args"]["a"] in ("one", "two") and call["id"]
    from langchain_core.messages import HumanMessage, ToolMessage
    messages = [HumanMessage(QUESTION), answer, *[ToolMessage("3", tool_call_id=c["id"]) for c in answer.tool_calls]]
    assert model.invoke(messages).content
    for method in ("json_schema", "function_calling"):
        assert isinstance(model.with_structured_output(Pair, method=method).invoke(QUESTION), Pair), method


def test_langchain_openai_completes_and_embeds(server):
    llm = OpenAI(base_url=server.url + "/v1", api_key="none", model="demo", temperature=0, max_tokens=8)
    assert "".join(llm.stream("Gantry is")) == llm.invoke("Gantry is")
    vectors = OpenAIEmbeddings(base_url=server.url + "/v1", api_key="none", model="emb",
                               check_embedding_ctx_length=False)  # else it sends ids of OpenAI's own vocabulary
    assert [len(v) for v in vectors.embed_documents(["a", "b c"])] == [WIDTH, WIDTH]
    assert vectors.embed_query("a") == pytest.approx(vectors.embed_documents(["a"])[0])
    with pytest.raises(openai.NotFoundError):
        ChatOpenAI(base_url=server.url + "/v1", api_key="none", model="nobody").invoke(QUESTION)


def test_langchain_xinference(server, truth):
    config = {"temperature": 0, "max_tokens": 24}
    chat = ChatXinference(server_url=server.url, model_uid="demo")
    assert chat.invoke(QUESTION, generate_config=config).content == truth
    assert "".join(c.content for c in chat.stream(QUESTION, generate_config=dict(config, stream=True))) == truth
    llm = Xinference(server_url=server.url, model_uid="demo")
    whole = llm.invoke("Gantry is", generate_config=config)
    assert whole and "".join(llm.stream("Gantry is", generate_config=dict(config, stream=True))) == whole
    vectors = XinferenceEmbeddings(server_url=server.url, model_uid="emb")
    assert len(vectors.embed_query("a")) == WIDTH and len(vectors.embed_documents(["a", "b"])) == 2
    from langchain_core.documents import Document
    rerank = XinferenceRerank(server_url=server.url, model_uid="rank")
    texts = ["a", "b c", "d e f", "g"]
    found = rerank.compress_documents([Document(text) for text in texts], "what")
    assert len(found) == 3 and found[0].metadata["relevance_score"] >= found[1].metadata["relevance_score"]
    with pytest.raises(RuntimeError, match="nobody"):
        ChatXinference(server_url=server.url, model_uid="nobody").invoke(QUESTION)


# ---- LlamaIndex


def test_llama_index(server, truth):
    llm = OpenAILike(api_base=server.url + "/v1", api_key="none", model="demo", is_chat_model=True,
                     is_function_calling_model=True, temperature=0, max_tokens=24, max_retries=0)
    answer = llm.chat([ChatMessage(role="user", content=QUESTION)])
    assert answer.message.content == truth
    assert "".join(c.delta or "" for c in llm.stream_chat([ChatMessage(role="user", content=QUESTION)])) == truth
    assert llm.complete(QUESTION).text == truth, "a chat of one message"
    assert "".join(c.delta or "" for c in llm.stream_complete(QUESTION)) == truth
    assert asyncio.run(llm.achat([ChatMessage(role="user", content=QUESTION)])).message.content == truth
    plain = OpenAILike(api_base=server.url + "/v1", api_key="none", model="demo", is_chat_model=False, temperature=0,
                       max_tokens=8)
    assert plain.complete("Gantry is").text
    vectors = OpenAILikeEmbedding(api_base=server.url + "/v1", api_key="none", model_name="emb")
    assert len(vectors.get_query_embedding("a")) == WIDTH
    assert len(vectors.get_text_embedding_batch(["a", "b c", "d"])) == 3


def test_llama_index_calls_tools(server):
    from llama_index.core.tools import FunctionTool

    def add(a: Literal["one", "two"], b: Literal["one", "two"]) -> str:
        """Adds two numbers."""
        return a + b

    llm = OpenAILike(api_base=server.url + "/v1", api_key="none", model="demo", is_chat_model=True,
                     is_function_calling_model=True, temperature=0, max_tokens=200, max_retries=0)
    answer = llm.chat_with_tools([FunctionTool.from_defaults(add)], user_msg=QUESTION, tool_required=True)
    call = llm.get_tool_calls_from_response(answer)[0]
    assert call.tool_name == "add" and call.tool_kwargs["a"] in ("one", "two")


# ---- instructor


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.TOOLS_STRICT])
def test_instructor(server, mode):
    client = instructor.from_openai(openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0), mode=mode)
    asked = dict(model="demo", messages=HELLO, max_tokens=200, temperature=0, max_retries=0)
    pair, completion = client.chat.completions.create_with_completion(response_model=Pair, **asked)
    assert isinstance(pair, Pair) and completion.usage.total_tokens > 0
    assert list(client.chat.completions.create_partial(response_model=Pair, **asked))[-1].b in ("one", "two")


# ---- LiteLLM


@pytest.mark.parametrize("model,base", [("openai/demo", "/v1"), ("xinference/demo", "/v1"), ("hosted_vllm/demo", "/v1"),
                                        ("ollama_chat/demo", ""), ("anthropic/demo", "")])
def test_litellm_chats(server, truth, model, base):
    asked = dict(model=model, api_base=server.url + base, api_key="none", messages=HELLO, max_tokens=24, temperature=0,
                 num_retries=0)
    answer = litellm.completion(**asked)
    assert answer.choices[0].message.content == truth and answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.completion_tokens > 0
    chunks = list(litellm.completion(stream=True, **asked))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == truth
    assert asyncio.run(litellm.acompletion(**asked)).choices[0].message.content == truth
    with pytest.raises(litellm.exceptions.NotFoundError):
        litellm.completion(**dict(asked, model=model.replace("demo", "nobody")))


def test_litellm_does_the_rest(server):
    tools = [{"type": "function", "function": {"name": "add", "parameters": Pair.model_json_schema()}}]
    answer = litellm.completion(model="openai/demo", api_base=server.url + "/v1", api_key="none", messages=HELLO,
                                tools=tools, tool_choice="required", max_tokens=200, temperature=0)
    assert Pair.model_validate_json(answer.choices[0].message.tool_calls[0].function.arguments)
    formed = litellm.completion(model="openai/demo", api_base=server.url + "/v1", api_key="none", messages=HELLO,
                                response_format=Pair, max_tokens=200, temperature=0)
    assert Pair.model_validate_json(formed.choices[0].message.content)
    vectors = litellm.embedding(model="openai/emb", api_base=server.url + "/v1", api_key="none", input=["a", "b c"])
    assert [len(d["embedding"]) for d in vectors.data] == [WIDTH, WIDTH]
    text = litellm.text_completion(model="text-completion-openai/demo", api_base=server.url + "/v1", api_key="none",
                                   prompt="Gantry is", max_tokens=8, temperature=0)
    assert text.choices[0].text
    ranked = litellm.rerank(model="hosted_vllm/rank", api_base=server.url, api_key="none", query="what",
                            documents=["a", "b c", "d e f"], top_n=2)
    assert len(ranked.results) == 2
    for field in ({"temperature": 9}, {"messages": []}):
        with pytest.raises(litellm.exceptions.BadRequestError):
            litellm.completion(**{**dict(model="openai/demo", api_base=server.url + "/v1", api_key="none", messages=HELLO),
                                  **field})
