#!/usr/bin/env python3
"""dialect_seeds.py DIALECT FOLDER: requests for fuzz_dialect to begin with, each body for each of the dialect's routes."""
import json
import pathlib
import sys

CHAT = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "1"}]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}]
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}

BODIES = {
    "openai": (14, [
        {"model": "m", "messages": CHAT, "tools": TOOLS, "tool_choice": "auto", "temperature": 0.5, "top_p": 0.9, "n": 2,
         "stop": ["a", "b"], "logit_bias": {"5": -100}, "logprobs": True, "top_logprobs": 3, "seed": 1},
        {"model": "m", "messages": CHAT[:2], "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 5,
         "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, "timings": True},
        {"model": "m", "prompt": ["a", "b"], "logprobs": 2, "echo": True, "suffix": "z", "best_of": 2},
        {"model": "m", "prompt": [[1, 2], [3]], "prompt_logprobs": 1, "guided_regex": "a+", "min_tokens": 1}]),
    "encode": (13, [
        {"model": "e", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 2},
        {"model": "e", "input": [[1, 2, 3]], "truncate_prompt_tokens": 2},
        {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True},
        {"model": "m", "text_1": "a", "text_2": ["b", "c"]},
        {"model": "m", "prompt": "a", "tokens": [1, 2], "messages": CHAT, "add_special_tokens": True},
        {"model": "m", "ids": [1, 2], "conversation": [1]}]),
    "xinference": (35, [
        {"model_name": "n", "model_uid": "u", "model_engine": "vllm", "model_type": "LLM", "model_format": "ggufv2",
         "quantization": "Q4_0", "replica": 2, "n_gpu": "auto", "keep_alive": "5m", "engine_options": {"step_us": "1"}},
        {"model": json.dumps({"version": 2, "model_name": "r", "context_length": 5, "model_lang": ["en"],
                              "model_ability": ["chat"], "model_specs": [
                                  {"model_format": "ggufv2", "model_size_in_billions": "0_5", "quantization": "q",
                                   "model_uri": "file:///x"}]}), "persist": True}]),
    "ollama": (16, [
        {"model": "m", "prompt": "p", "system": "s", "options": {"num_ctx": 64, "temperature": 1, "stop": ["x"]},
         "format": SCHEMA, "keep_alive": "1h30m", "context": [1, 2], "think": "low"},
        {"model": "m", "messages": CHAT[:2], "tools": TOOLS, "stream": False, "logprobs": True, "top_logprobs": 2},
        {"model": "new", "from": "m", "parameters": {"temperature": 1}, "template": "t", "messages": CHAT[:2]},
        {"name": "new", "modelfile": "FROM m\nPARAMETER stop x\nSYSTEM \"\"\"a\nb\"\"\"\nMESSAGE user hi"},
        {"source": "m", "destination": "n"}, {"model": "e", "input": ["a"], "truncate": True, "dimensions": 2}]),
    "anthropic": (4, [
        {"model": "m", "max_tokens": 5, "system": [{"type": "text", "text": "s"}], "stream": True,
         "thinking": {"type": "enabled", "budget_tokens": 1024}, "stop_sequences": ["x"], "metadata": {"user_id": "u"},
         "messages": [{"role": "user", "content": [
             {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]},
             {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]}],
         "tools": [{"name": "f", "input_schema": SCHEMA}], "tool_choice": {"type": "tool", "name": "f"}}]),
    "responses": (5, [
        {"model": "m", "input": "hello", "instructions": "i", "stream": True, "store": True, "max_output_tokens": 5,
         "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}, "reasoning": {"effort": "low"}},
        {"model": "m", "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "1"}],
         "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}], "previous_response_id": "resp_1"}]),
    "gantry": (30, [
        {"model_name": "n", "model_uid": "u", "replica": 1}, {"name": "a", "uid": "m", "path": "/x"},
        {"keep_alive": "5m", "count": 2}, {"lora_name": "a", "lora_path": "/x", "model": "m"},
        {"name": "s", "input": {"text": "t"}, "cache_salt": "c"}]),
}


def main(dialect, folder):
    routes, bodies = BODIES[dialect]
    for route in range(routes):
        for number, body in enumerate(bodies):
            for variant in (b"\x04", b"\x06"):
                name = f"seed-{route}-{number}-{variant[0]}"
                (pathlib.Path(folder) / name).write_bytes(
                    bytes([route]) + variant + b"LLM\n" + json.dumps(body).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
