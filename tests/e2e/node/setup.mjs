// What the tests of the clients share. The packages lie where the Makefile installed them, not beside these files.
import { createRequire } from "node:module";
import { File } from "node:buffer";
import path from "node:path";

globalThis.File ??= File;  // Debian 12's Node 18 has it, but not there where openai looks

export const require = createRequire(path.join(process.env.GANTRY_NODE, "package.json"));
export const url = process.env.GANTRY_URL;
export const hello = [{ role: "user", content: "What is Gantry?" }];
export const parameters = {
  type: "object",
  properties: { a: { enum: ["one", "two"] }, b: { enum: ["one", "two"] } },
  required: ["a", "b"],
  additionalProperties: false,
};

/** All that an asynchronous iterator gives. */
export async function all(stream) {
  const out = [];
  for await (const piece of stream) out.push(piece);
  return out;
}
