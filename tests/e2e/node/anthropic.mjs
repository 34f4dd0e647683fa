import assert from "node:assert/strict";
import test from "node:test";
import { all, hello, parameters, require, url } from "./setup.mjs";

const { Anthropic } = require("@anthropic-ai/sdk");
const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const asked = { model: "demo", max_tokens: 24, messages: hello };
const tools = [{ name: "add", description: "Adds.", input_schema: parameters }];

test("messages, whole and streamed", async () => {
  const options = { ...asked, top_k: 1, system: "Be brief." };
  const whole = await client.messages.create(options);
  assert.equal(whole.type, "message");
  assert.ok(whole.content[0].text && whole._request_id && whole.usage.output_tokens > 0);
  const stream = client.messages.stream(options);
  const pieces = [];
  stream.on("text", (text) => pieces.push(text));
  const final = await stream.finalMessage();
  assert.equal(pieces.join(""), whole.content[0].text);
  assert.deepEqual(final.content, whole.content);
  const types = (await all(await client.messages.create({ ...options, stream: true }))).map((e) => e.type);
  assert.equal(types[0], "message_start");
  assert.equal(types.at(-1), "message_stop");
});

test("tools", async () => {
  const forced = { ...asked, max_tokens: 100, tools, tool_choice: { type: "tool", name: "add" } };
  const answer = await client.messages.create(forced);
  const call = answer.content.find((b) => b.type === "tool_use");
  assert.equal(answer.stop_reason, "tool_use");
  assert.ok(["one", "two"].includes(call.input.a));
  const final = await client.messages.stream(forced).finalMessage();
  assert.ok(["one", "two"].includes(final.content.find((b) => b.type === "tool_use").input.b));
  const result = { type: "tool_result", tool_use_id: call.id, content: "5" };
  const next = await client.messages.create({ ...asked, tools, messages: [
    ...hello, { role: "assistant", content: answer.content }, { role: "user", content: [result] }] });
  assert.ok(next.stop_reason);
});

test("stop sequences", async () => {
  const text = (await client.messages.create({ ...asked, top_k: 1 })).content[0].text;
  const stop = text.split(" ")[1];
  const answer = await client.messages.create({ ...asked, top_k: 1, stop_sequences: [stop] });
  assert.equal(answer.stop_reason, "stop_sequence");
  assert.equal(answer.stop_sequence, stop);
});

test("tokens and models", async () => {
  assert.ok((await client.messages.countTokens({ model: "demo", messages: hello })).input_tokens > 0);
  const ids = (await all(client.models.list())).map((m) => m.id);
  assert.ok(ids.includes("demo"));
  assert.equal((await client.models.retrieve("demo")).type, "model");
});

test("errors are of their classes", async () => {
  await assert.rejects(client.messages.create({ ...asked, model: "nobody" }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...asked, messages: [] }), (e) =>
    e instanceof Anthropic.BadRequestError && e.error.error.type === "invalid_request_error" && Boolean(e.requestID));
  await assert.rejects(client.messages.create({ ...asked, stream: true, model: "nobody" }), Anthropic.NotFoundError);
});
