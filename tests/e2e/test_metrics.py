"""/metrics read by Prometheus' own parsers, and the timings of answers."""
import json
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from harness import Server, wait_for


@pytest.fixture(scope="module")
def used():
    """A server whose model "m" has answered three requests, one streamed and one with a cached prompt."""
    with Server("--set", "log.format=json") as s:
        s.launch("m", engine="cpu")
        s.chat("m", "What is Gantry? " * 20, max_tokens=8, ignore_eos=True)
        s.chat("m", "What is Gantry? " * 20, max_tokens=8, ignore_eos=True)
        list(s.stream("m", max_tokens=8, ignore_eos=True))
        yield s


def scrape(server, accept):
    request = urllib.request.Request(server.url + "/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=20) as r:
        return r.headers["Content-Type"], r.read().decode()


@pytest.mark.parametrize("parse,accept", [(parse_prometheus, "text/plain"),
                                          (parse_openmetrics, "application/openmetrics-text")])
def test_every_metric_parses_and_counts_agree(used, parse, accept):
    kind, text = scrape(used, accept)
    assert kind.startswith(accept)
    families = {f.name: f for f in parse(text)}
    assert all(f.documentation and f.type in ("counter", "gauge", "histogram") for f in families.values())

    def value(family, suffix=""):
        return [s.value for s in families[family].samples if s.name == family + suffix and s.labels["model"] == "m"][0]

    assert families["gantry_engine_requests"].type == "counter"
    assert value("gantry_engine_requests", "_total") == 3
    assert value("gantry_engine_finished", "_total") == 3
    assert value("gantry_engine_generated_tokens", "_total") == 24
    assert value("gantry_engine_cached_tokens", "_total") > 0
    assert value("gantry_engine_running") == 0
    blocks = [value("gantry_engine_blocks_" + part) for part in ("free", "cached", "used", "total")]
    assert sum(blocks[:3]) == blocks[3] > 0
    steps = value("gantry_engine_steps", "_total")
    for family, count in {"gantry_engine_step_seconds": steps, "gantry_engine_step_tokens": steps,
                          "gantry_engine_request_seconds": 3, "gantry_engine_first_token_seconds": 3,
                          "gantry_engine_token_gap_seconds": 21}.items():
        assert families[family].type == "histogram"
        assert value(family, "_count") == count, family
    assert value("gantry_engine_overhead_seconds", "_total") < value("gantry_engine_busy_seconds", "_total")
    assert value("gantry_model_scraped") == 1


def test_timings_add_up(used):
    answer = used.chat("m", max_tokens=6, ignore_eos=True, timings=True)
    timings = answer.json["timings"]
    assert timings["predicted_n"] == 6
    assert timings["prompt_n"] + timings["cache_n"] == answer.json["usage"]["prompt_tokens"]
    assert timings["first_token_ms"] == pytest.approx(timings["queue_ms"] + timings["prompt_ms"], abs=0.01)
    assert 0 < timings["inter_token_ms"]["p50"] <= timings["inter_token_ms"]["p99"]
    header = dict(part.split(";dur=") for part in answer.headers["X-Gantry-Timing"].split(", "))
    assert float(header["prefill"]) == pytest.approx(timings["prompt_ms"], abs=0.01)
    last = [e for e in used.stream("m", max_tokens=6, ignore_eos=True, timings=True)][-1]
    assert last["timings"]["predicted_n"] == 6


def test_the_access_log_tells_what_a_request_took(used):
    used.call("POST", "/v1/completions", dict(model="m", prompt="Hi", max_tokens=3, ignore_eos=True))
    lines = wait_for(lambda: [json.loads(x) for x in used.log_text().splitlines() if "/v1/completions" in x])
    assert lines[-1]["model"] == "m" and lines[-1]["completion_tokens"] == 3
    assert 0 < lines[-1]["first_token_ms"] <= lines[-1]["ms"]
