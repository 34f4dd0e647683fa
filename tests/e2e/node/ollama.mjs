import assert from "node:assert/strict";
import test from "node:test";
import { all, hello, parameters, require, url } from "./setup.mjs";

const { Ollama } = require("ollama");
const client = new Ollama({ host: url });
const model = "gantry-demo";
const options = { temperature: 0, num_predict: 24 };

test("chats, whole and streamed", async () => {
  const whole = await client.chat({ model, messages: hello, options });
  assert.ok(whole.done && whole.message.content && whole.eval_count > 0);
  const parts = await all(await client.chat({ model, messages: hello, options, stream: true }));
  assert.equal(parts.map((p) => p.message.content).join(""), whole.message.content);
  assert.ok(parts.at(-1).done);
});

test("generates, with a context", async () => {
  const first = await client.generate({ model, prompt: "What is Gantry?", options });
  assert.ok(first.response && first.context.length);
  const parts = await all(await client.generate({ model, prompt: "What is Gantry?", options, stream: true }));
  assert.equal(parts.map((p) => p.response).join(""), first.response);
});

test("forms and tools", async () => {
  const answer = await client.chat({ model, messages: hello, format: parameters, options: { ...options, num_predict: 100 } });
  assert.ok(["one", "two"].includes(JSON.parse(answer.message.content).a));
  const tools = [{ type: "function", function: { name: "add", description: "Adds.", parameters } }];
  const asked = await client.chat({ model, messages: hello, tools, options });
  assert.ok(asked.message.content || asked.message.tool_calls.length);
});

test("embeds", async () => {
  const answer = await client.embed({ model: "emb", input: ["a", "b c"] });
  assert.equal(answer.embeddings.length, 2);
  assert.equal(answer.embeddings[1].length, 16);
  assert.equal((await client.embeddings({ model: "emb", prompt: "a" })).embedding.length, 16);
});

test("models", async () => {
  assert.ok((await client.list()).models.some((m) => m.name === model + ":latest"));
  assert.ok((await client.ps()).models.some((m) => m.name === model + ":latest"));
  assert.ok((await client.show({ model })).capabilities.includes("completion"));
  assert.ok((await client.version()).version);
  const steps = await all(await client.pull({ model, stream: true }));
  assert.equal(steps.at(-1).status, "success");
  assert.equal((await client.create({ model: "own-js", from: model, system: "Be brief.", stream: false })).status, "success");
  await client.copy({ source: "own-js", destination: "copy-js" });
  assert.ok((await client.chat({ model: "copy-js", messages: hello, options })).message.content);
  for (const name of ["own-js", "copy-js"]) assert.equal((await client.delete({ model: name })).status, "success");
  await assert.rejects(client.show({ model: "own-js" }), /not found/);
});

test("errors and leaving", async () => {
  await assert.rejects(client.chat({ model: "nobody", messages: hello }), (e) => e.status_code === 404);
  await assert.rejects(client.chat({ model, messages: hello, options: { temperature: -1 } }), /temperature/);
  const stream = await client.chat({ model, messages: hello, stream: true, options: { num_predict: 1500 } });
  for await (const part of stream) {
    assert.ok(part.message);
    break;
  }
  stream.abort();
  assert.ok((await client.chat({ model, messages: hello, options: { num_predict: 2 } })).done);
});
