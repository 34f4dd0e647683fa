import assert from "node:assert/strict";
import test from "node:test";
import { all, hello, parameters, require, url } from "./setup.mjs";

const { OpenAI, toFile } = require("openai");
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const greedy = { model: "demo", messages: hello, temperature: 0, max_tokens: 24 };

test("models", async () => {
  const ids = (await all(client.models.list())).map((m) => m.id);
  assert.ok(ids.includes("demo") && ids.includes("emb"));
  assert.equal((await client.models.retrieve("demo")).object, "model");
});

test("chats, whole and streamed", async () => {
  const whole = await client.chat.completions.create(greedy);
  const { message, finish_reason } = whole.choices[0];
  assert.equal(message.role, "assistant");
  assert.ok(message.content && ["stop", "length"].includes(finish_reason) && whole._request_id);
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
  const chunks = await all(
    await client.chat.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } }));
  assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""), message.content);
  assert.equal(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
  const helper = client.chat.completions.stream(greedy);
  assert.equal(await helper.finalContent(), message.content);
});

test("logprobs, n and seeds", async () => {
  const answer = await client.chat.completions.create(
    { ...greedy, temperature: 1, seed: 3, n: 2, logprobs: true, top_logprobs: 2 });
  assert.deepEqual(answer.choices.map((c) => c.index), [0, 1]);
  assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 2);
});

test("tools, called by hand and by the package's runner", async () => {
  const tools = [{ type: "function", function: { name: "add", parameters, strict: true } }];
  const asked = { ...greedy, max_tokens: 100, tools, tool_choice: "required", parallel_tool_calls: false };
  const answer = await client.chat.completions.create(asked);
  const call = answer.choices[0].message.tool_calls[0];
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
  assert.equal(call.function.name, "add");
  assert.ok(["one", "two"].includes(JSON.parse(call.function.arguments).a));
  const streamed = await client.chat.completions.stream(asked).finalChatCompletion();
  assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  let calls = 0;
  const runner = client.chat.completions.runTools(
    { ...greedy, max_tokens: 100, tool_choice: "auto",
      tools: [{ type: "function",
                function: { name: "add", parameters, parse: JSON.parse, function: () => `${++calls}` } }] },
    { maxChatCompletions: 2 });
  await runner.done();
  assert.ok(runner.messages.length >= 2);
});

test("answers of a form", async () => {
  const answer = await client.chat.completions.parse({ ...greedy, max_tokens: 100, response_format: {
    type: "json_schema", json_schema: { name: "pair", strict: true, schema: parameters } } });
  assert.ok(["one", "two"].includes(JSON.parse(answer.choices[0].message.content).b));
});

test("completions", async () => {
  const asked = { model: "demo", prompt: "Gantry is", max_tokens: 8, temperature: 0 };
  const whole = await client.completions.create({ ...asked, echo: true, logprobs: 1 });
  assert.ok(whole.choices[0].text.startsWith("Gantry is"));
  const pieces = await all(await client.completions.create({ ...asked, stream: true }));
  assert.equal("Gantry is" + pieces.map((p) => p.choices[0]?.text ?? "").join(""), whole.choices[0].text);
  assert.equal((await client.completions.create({ ...asked, prompt: ["a", "b"] })).choices.length, 2);
});

test("embeddings in both encodings", async () => {
  const packed = await client.embeddings.create({ model: "emb", input: ["a", "b c"] });  // base64 by itself
  const plain = await client.embeddings.create({ model: "emb", input: ["a", "b c"], encoding_format: "float" });
  assert.equal(packed.data[1].embedding.length, 16);
  assert.ok(packed.data[1].embedding.every((x, i) => Math.abs(x - plain.data[1].embedding[i]) < 1e-6));
  const short = await client.embeddings.create({ model: "emb", input: "a", dimensions: 8 });
  assert.equal(short.data[0].embedding.length, 8);
});

test("responses", async () => {
  const asked = { model: "demo", input: "What is Gantry?", temperature: 0, max_output_tokens: 24 };
  const made = await client.responses.create(asked);
  assert.ok(made.output_text && made.usage.output_tokens > 0);
  assert.equal((await client.responses.retrieve(made.id)).output_text, made.output_text);
  const events = await all(await client.responses.create({ ...asked, stream: true }));
  assert.equal(
    events.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join(""), made.output_text);
  const next = await client.responses.create({ ...asked, input: "More.", previous_response_id: made.id });
  assert.ok(next.usage.input_tokens > made.usage.input_tokens);
  await client.responses.delete(made.id);
  await assert.rejects(client.responses.retrieve(made.id), OpenAI.NotFoundError);
});

test("errors are of their classes", async () => {
  const chat = (more) => client.chat.completions.create({ ...greedy, ...more });
  await assert.rejects(chat({ model: "nobody" }), OpenAI.NotFoundError);
  await assert.rejects(chat({ temperature: 9 }), (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
  await assert.rejects(chat({ messages: [], stream: true }), OpenAI.BadRequestError);
  await assert.rejects(client.embeddings.create({ model: "demo", input: "x" }), OpenAI.BadRequestError);
  await assert.rejects(client.images.generate({ model: "demo", prompt: "x" }), /there is no image model/);
  const file = await toFile(Buffer.from("RIFF"), "a.wav");
  await assert.rejects(client.audio.transcriptions.create({ model: "demo", file }), OpenAI.NotFoundError);
});

test("a stream can be left", async () => {
  const stream = await client.chat.completions.create({ ...greedy, max_tokens: 1500, stream: true, ignore_eos: true });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    break;
  }
  assert.ok(stream.controller.signal.aborted);
  assert.ok((await client.chat.completions.create({ ...greedy, max_tokens: 2 })).choices.length);
});
