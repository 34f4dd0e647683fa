"""Embeddings, rerank, score and classify with the real clients, on the null plugin's encoder: its vectors count tokens, so
that what must come out is known; then small real models, whose vectors transformers has computed."""
import asyncio
import base64
import concurrent.futures
import json
import pathlib
import struct

import openai
import pytest
from xinference_client import AsyncRESTfulClient, RESTfulClient

from harness import Server

WIDTH = 64
MODELS = pathlib.Path(__file__).parents[1] / "plugins" / "encoders"


@pytest.fixture(scope="module")
def server():
    with Server() as s:
        s.launch("emb", engine="null", engine_options={"embed_width": WIDTH}, model_type="embedding")
        s.launch("rank", engine="null", engine_options={"score_width": 1}, model_type="rerank")
        s.launch("labels", engine="null", engine_options={"score_width": 3})
        s.launch("llm", engine="null")
        yield s


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def norm(vector):
    return sum(x * x for x in vector) ** 0.5


def test_openai_client_in_both_encodings(client):
    texts = ["one text", "and another one", "one text"]
    default = client.embeddings.create(model="emb", input=texts)  # asks for base64 by itself
    floats = client.embeddings.create(model="emb", input=texts, encoding_format="float")
    assert [d.index for d in default.data] == [0, 1, 2]
    for a, b in zip(default.data, floats.data):
        assert len(a.embedding) == WIDTH
        assert a.embedding == pytest.approx(b.embedding, abs=1e-7)
        assert norm(a.embedding) == pytest.approx(1, abs=1e-6)
    assert default.data[0].embedding == default.data[2].embedding != default.data[1].embedding
    assert default.model == "emb" and default.usage.prompt_tokens == default.usage.total_tokens > 0


def test_every_form_of_input(client, server):
    one = client.embeddings.create(model="emb", input="a text").data
    assert len(one) == 1
    ids = server.call("POST", "/tokenize", {"model": "emb", "prompt": "a text"}).json["tokens"]
    same = client.embeddings.create(model="emb", input=ids).data
    assert len(same) == 1 and same[0].embedding == one[0].embedding
    nested = client.embeddings.create(model="emb", input=[ids, [1, 2]]).data
    assert len(nested) == 2 and nested[0].embedding == one[0].embedding


def test_dimensions_are_cut_and_normalised_again(client):
    whole = client.embeddings.create(model="emb", input="some words of a text").data[0].embedding
    cut = client.embeddings.create(model="emb", input="some words of a text", dimensions=16).data[0].embedding
    assert len(cut) == 16 and norm(cut) == pytest.approx(1, abs=1e-6)
    scale = norm(whole[:16])
    assert cut == pytest.approx([x / scale for x in whole[:16]], abs=1e-6)


def test_thousand_texts_in_one_call_and_many_at_once(client):
    texts = [f"text number {i} " + "x " * (i % 7) for i in range(1000)]
    whole = client.embeddings.create(model="emb", input=texts).data
    assert [d.index for d in whole] == list(range(1000))

    def ask(i):
        return client.embeddings.create(model="emb", input=texts[i]).data[0].embedding

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for i, vector in zip(range(0, 1000, 8), pool.map(ask, range(0, 1000, 8))):
            assert vector == whole[i].embedding


def test_what_is_too_long_is_refused_with_both_counts_or_cut(client, server):
    limit = server.models()["emb"]["context_length"]
    text = "word " * (limit + 50)
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="emb", input=["fine", text])
    message = refused.value.body["message"]
    assert "input 1" in message and str(limit) in message
    cut = client.embeddings.create(model="emb", input=text, extra_body={"truncate_prompt_tokens": -1})
    assert cut.usage.prompt_tokens == limit
    few = client.embeddings.create(model="emb", input=text, extra_body={"truncate_prompt_tokens": 5})
    assert few.usage.prompt_tokens == 5


def test_models_say_what_they_can_do(client, server):
    with pytest.raises(openai.BadRequestError) as chat:
        client.chat.completions.create(model="emb", messages=[{"role": "user", "content": "Hi"}])
    assert "embed" in chat.value.body["message"]
    with pytest.raises(openai.BadRequestError) as vectors:
        client.embeddings.create(model="llm", input="Hi")
    assert "generate" in vectors.value.body["message"]
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="rank", input="Hi")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nobody", input="Hi")
    models = server.models()
    assert models["emb"]["abilities"] == ["embed"] and models["rank"]["abilities"] == ["rerank"]


def test_xinference_sync_client(server):
    client = RESTfulClient(server.url)
    model = client.get_model("emb")
    answer = model.create_embedding(["a", "b"])
    assert answer["model"] == "emb" and len(answer["data"][1]["embedding"]) == WIDTH
    described = client.describe_model("emb")
    assert described["model_type"] == "embedding" and described["dimensions"] == WIDTH
    tokens = model.convert_ids_to_tokens([5, 6, 7])
    assert len(tokens) == 3 and all(isinstance(t, str) for t in tokens)
    assert [len(t) for t in model.convert_ids_to_tokens([[5, 6], [7]])] == [2, 1]
    ranked = client.get_model("rank").rerank(["nothing", "what is a gantry", "a gantry"], "a gantry", top_n=2,
                                             return_documents=True, return_len=True)
    scores = [r["relevance_score"] for r in ranked["results"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True) and 0 <= scores[0] <= 1
    assert ranked["results"][0]["document"]["text"] != "nothing"
    assert ranked["meta"]["tokens"]["input_tokens"] > 0


def test_xinference_async_client(server):
    async def main():
        client = AsyncRESTfulClient(server.url)
        try:
            model = await client.get_model("emb")
            answer = await model.create_embedding("a text")
            rank = await client.get_model("rank")
            ranked = await rank.rerank(["b", "a"], "a")
            return answer, ranked
        finally:
            await client.close()

    answer, ranked = asyncio.run(main())
    assert len(answer["data"][0]["embedding"]) == WIDTH
    assert sorted(r["index"] for r in ranked["results"]) == [0, 1]


def test_cohere_client(server):
    cohere = pytest.importorskip("cohere")
    documents = ["nothing", "what is a gantry", "a gantry"]
    v1 = cohere.Client(api_key="none", base_url=server.url).rerank(
        model="rank", query="a gantry", documents=documents, top_n=2, return_documents=True)
    assert len(v1.results) == 2 and v1.results[0].document.text in documents[1:]
    v2 = cohere.ClientV2(api_key="none", base_url=server.url).rerank(model="rank", query="a gantry", documents=documents)
    assert [r.index for r in v2.results][-1] == 0
    assert v2.results[0].relevance_score >= v2.results[1].relevance_score


def test_cohere_client_embeds_and_tells_errors(server):
    cohere = pytest.importorskip("cohere")
    v1 = cohere.Client(api_key="none", base_url=server.url)
    v2 = cohere.ClientV2(api_key="none", base_url=server.url)
    texts = ["a text", "and another one"]
    plain = v1.embed(texts=texts, model="emb", input_type="search_document")
    assert [len(v) for v in plain.embeddings] == [WIDTH, WIDTH] and plain.texts == texts
    assert plain.meta.billed_units.input_tokens > 0
    typed = v1.embed(texts=texts, model="emb", input_type="search_query", embedding_types=["float"])
    assert len(typed.embeddings.float_[1]) == WIDTH
    both = v2.embed(texts=texts, model="emb", input_type="clustering", embedding_types=["float", "base64"], truncate="NONE")
    raw = base64.b64decode(both.embeddings.base64[0])
    assert list(struct.unpack(f"<{WIDTH}f", raw)) == pytest.approx(both.embeddings.float_[0])
    inputs = [{"content": [{"type": "text", "text": "a text"}]}]
    short = v2.embed(inputs=inputs, model="emb", input_type="search_query", output_dimension=8, embedding_types=["float"])
    assert len(short.embeddings.float_[0]) == 8
    long = v2.embed(texts=["word " * 100_000], model="emb", input_type="search_query", embedding_types=["float"])
    assert long.meta.billed_units.input_tokens > 0, "what is too long is cut"
    for call, error, words in [
        (lambda: v2.embed(texts=texts, model="nobody", input_type="search_query"), cohere.NotFoundError, "nobody"),
        (lambda: v2.embed(texts=texts, model="emb", input_type="image"), cohere.BadRequestError, "input_type"),
        (lambda: v2.embed(texts=texts, model="emb", input_type="search_query", embedding_types=["binary"]),
         cohere.BadRequestError, "binary"),
        (lambda: v2.embed(images=["data:"], model="emb", input_type="search_query"), cohere.BadRequestError, "images"),
        (lambda: v2.embed(texts=["word " * 100_000], model="emb", input_type="search_query", truncate="NONE"),
         cohere.BadRequestError, "truncate"),
        (lambda: v2.rerank(model="nobody", query="a", documents=["b"]), cohere.NotFoundError, "nobody"),
        (lambda: v1.rerank(model="rank", query="a", documents=[]), cohere.BadRequestError, "documents"),
    ]:
        with pytest.raises(error) as raised:
            call()
        assert words in str(raised.value.body), words


def test_cohere_client_asynchronously(server):
    cohere = pytest.importorskip("cohere")

    async def use():
        client = cohere.AsyncClientV2(api_key="none", base_url=server.url)
        ranked = await client.rerank(model="rank", query="a gantry", documents=["nothing", "a gantry"])
        vectors = await client.embed(texts=["a"], model="emb", input_type="search_query", embedding_types=["float"])
        return ranked.results[0].index, len(vectors.embeddings.float_[0])

    assert asyncio.run(use()) == (1, WIDTH)


def test_score_classify_and_vectors_that_rank(server):
    score = server.call("POST", "/v1/score", {"model": "rank", "text_1": "a b", "text_2": ["a b", "zz"]}).json
    assert [d["index"] for d in score["data"]] == [0, 1] and score["data"][0]["score"] > score["data"][1]["score"]
    cosine = server.call("POST", "/score", {"model": "emb", "text_1": "a b", "text_2": ["a b", "zz"]}).json
    assert cosine["data"][0]["score"] == pytest.approx(1, abs=1e-5)
    ranked = server.call("POST", "/rerank", {"model": "emb", "query": "a b", "documents": ["zz", "a b"]}).json
    assert ranked["results"][0]["index"] == 1 and ranked["results"][0]["document"]["text"] == "a b"
    label = server.call("POST", "/v1/classify", {"model": "labels", "input": ["a", "b"]}).json["data"][0]
    assert label["num_classes"] == 3 and label["label"] == "LABEL_0" and sum(label["probs"]) == pytest.approx(1)
    wrong = server.call("POST", "/v1/score", {"model": "rank", "text_1": ["a", "b"], "text_2": ["c"]})
    assert wrong.status == 400


def test_tokens_there_and_back(server):
    tokens = server.call("POST", "/tokenize", {"model": "llm", "prompt": "Hello", "return_token_strs": True}).json
    assert tokens["count"] == len(tokens["tokens"]) == len(tokens["token_strs"]) and tokens["max_model_len"] > 0
    plain = server.call("POST", "/tokenize", {"model": "llm", "prompt": "Hello", "add_special_tokens": False}).json
    back = server.call("POST", "/detokenize", {"model": "llm", "tokens": plain["tokens"]}).json
    assert back["prompt"].strip() == "Hello"


def test_sleep_and_wake_and_metrics(server):
    assert server.call("POST", "/gantry/v1/models/emb/sleep").status == 200
    assert server.call("POST", "/v1/embeddings", {"model": "emb", "input": "a"}).status == 503
    assert server.call("POST", "/gantry/v1/models/emb/wake").status == 200
    answer = server.call("POST", "/v1/embeddings", {"model": "emb", "input": "a", "encoding_format": "base64"}).json
    assert len(struct.unpack(f"<{WIDTH}f", base64.b64decode(answer["data"][0]["embedding"]))) == WIDTH
    stats = server.call("GET", "/gantry/v1/models/emb/stats").json
    assert stats["finished"] == stats["inputs"] == 1 and stats["waiting"] == 0
    text = server.call("GET", "/metrics").body.decode()
    assert 'gantry_engine_inputs_total{model="emb",replica="0"} 1' in text


def expected_rows(folder):
    """(token ids, what transformers makes of them), for the sequences of one segment."""
    data = (folder / "expected.safetensors").read_bytes()
    size, = struct.unpack_from("<Q", data)
    tensors = json.loads(data[8:8 + size])

    def read(name, letter):
        begin, end = tensors[name]["data_offsets"]
        return struct.unpack(f"<{(end - begin) // 4}{letter}", data[8 + size + begin:8 + size + end])

    begin, ids, types, pooled = read("begin", "i"), read("ids", "i"), read("types", "i"), read("pooled", "f")
    width = tensors["pooled"]["shape"][1]
    for i in range(len(begin) - 1):
        if not any(types[begin[i]:begin[i + 1]]):
            yield list(ids[begin[i]:begin[i + 1]]), pooled[i * width:(i + 1) * width]


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of tests/plugins/encoders are not there")
def test_real_models_by_path(server, client):
    for name in ("bert", "distilbert"):
        server.launch(name, model=str(MODELS / name), engine="reference")
        for ids, vector in expected_rows(MODELS / name):
            got = client.embeddings.create(model=name, input=ids, extra_body={"normalize": True}).data[0].embedding
            assert got == pytest.approx([x / norm(vector) for x in vector], abs=2e-4)
    with pytest.raises(openai.BadRequestError, match="takes at most 36"):
        client.embeddings.create(model="bert", input=[5] * 37)
    server.launch("rerank", model=str(MODELS / "bert_rerank"), engine="reference", model_type="rerank")
    ranked = server.call("POST", "/v1/rerank", {"model": "rerank", "query": "a", "documents": ["b", "a c"]}).json
    assert len(ranked["results"]) == 2 and all(0 < r["relevance_score"] < 1 for r in ranked["results"])
    server.launch("classes", model=str(MODELS / "distilbert_classify"), engine="reference")
    first = server.call("POST", "/v1/classify", {"model": "classes", "input": "a b"}).json["data"][0]
    assert first["num_classes"] == 2 and sum(first["probs"]) == pytest.approx(1, abs=1e-5)
