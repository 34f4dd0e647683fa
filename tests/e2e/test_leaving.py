"""A client that goes away frees its place within a step, whatever it was waiting for.

Steps of the null plugin are made long, so that they can be counted: none may begin for a request after the one in which its
client left. Nothing here measures time.
"""
import http.client
import json

import pytest

from harness import Server, wait_for


@pytest.fixture(scope="module")
def slow():
    with Server() as s:
        s.launch("m", engine="null", context_length=2048, engine_options={"step_us": "150000"})
        yield s


def stats(server):
    return server.call("GET", "/gantry/v1/models/m/stats").json


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase,prompt_tokens,steps", [("prefill", 1500, 1), ("decode", 8, 3)])
def test_a_client_that_leaves_frees_its_place_within_a_step(slow, phase, prompt_tokens, steps, stream):
    before = stats(slow)
    # Its own first token, or the prefix cache would make short work of the prompt.
    prompt = [100 + steps * 2 + stream] + [40 + i % 50 for i in range(prompt_tokens - 1)]
    connection = http.client.HTTPConnection("127.0.0.1", slow.port, timeout=60)
    connection.request("POST", "/v1/completions", json.dumps(dict(
        model="m", prompt=prompt, max_tokens=400, ignore_eos=True, stream=stream)), {"Content-Type": "application/json"})
    left = wait_for(lambda: (s := stats(slow))["steps"] >= before["steps"] + steps and s, what="the steps")
    made = left["generated_tokens"] - before["generated_tokens"]
    assert left["running"] == 1 and (made == 0) == (phase == "prefill")
    connection.close()
    after = wait_for(lambda: (s := stats(slow))["running"] == 0 and s, what="the end of the abandoned request")
    # The step in progress when it left ends; with the look at the counters one more may have begun before it left.
    assert after["steps"] - left["steps"] <= 2
    assert after["cancelled"] == before["cancelled"] + 1 and after["finished"] == before["finished"]
    assert after["blocks_used"] == 0
