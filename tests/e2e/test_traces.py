"""Traces as an OpenTelemetry collector gets them."""
import http.server
import json
import threading
import urllib.request

import pytest

from harness import Server, wait_for

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Takes OTLP over HTTP; answers with `status` first, then with 200."""

    def __init__(self, refusals=()):
        self.spans, self.requests, refusals = [], [], list(refusals)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, dict(self.headers), body))
                status = refusals.pop(0) if refusals else 200
                if status == 200:
                    for group in body["resourceSpans"]:
                        for scope in group["scopeSpans"]:
                            outer.spans += scope["spans"]
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, trace):
        return {s["name"]: s for s in self.spans if s["traceId"] == trace}


def attributes(span):
    return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


def post(server, body, trace):
    request = urllib.request.Request(server.url + "/v1/chat/completions", data=json.dumps(body).encode(), headers={
        "Content-Type": "application/json", "traceparent": trace, "X-Request-Id": "mine"})
    with urllib.request.urlopen(request, timeout=60) as r:
        return r.read()


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_becomes_a_tree_of_spans(stream):
    collector = Collector(refusals=[503])
    with Server("--set", "telemetry.interval_ms=20", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
                OTEL_EXPORTER_OTLP_HEADERS="api-key=secret") as s:
        s.launch("m", engine="cpu")
        body = dict(model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=5, ignore_eos=True, temperature=0,
                    stream=stream)
        post(s, body, f"00-{'1' * 32}-{PARENT}-00")
        post(s, body, f"00-{TRACE}-{PARENT}-01")
        spans = wait_for(lambda: len(x := collector.of(TRACE)) == 5 and x, what="the spans")
    path, headers, sent = collector.requests[0]
    assert path == "/v1/traces" and headers["api-key"] == "secret" and headers["Content-Type"] == "application/json"
    resource = attributes(sent["resourceSpans"][0]["resource"])
    assert resource["service.name"] == "gantry"
    server, chat = spans["POST /v1/chat/completions"], spans["chat m"]
    assert server["parentSpanId"] == PARENT and server["kind"] == 2
    assert attributes(server)["http.response.status_code"] == "200"
    assert attributes(server)["gantry.request_id"] == "mine"
    assert chat["parentSpanId"] == server["spanId"]
    told = attributes(chat)
    assert told["gen_ai.operation.name"] == "chat" and told["gen_ai.request.model"] == "m"
    assert told["gen_ai.request.max_tokens"] == "5" and told["gen_ai.usage.output_tokens"] == "5"
    assert int(told["gen_ai.usage.input_tokens"]) > 0
    assert told["gen_ai.response.finish_reasons"]["values"] == [{"stringValue": "length"}]
    at = int(server["startTimeUnixNano"])
    for name in ("queue", "prefill", "decode"):
        assert spans[name]["parentSpanId"] == chat["spanId"]
        begin, end = int(spans[name]["startTimeUnixNano"]), int(spans[name]["endTimeUnixNano"])
        assert at <= begin <= end <= int(server["endTimeUnixNano"])
        at = end
    assert not collector.of("1" * 32), "its caller does not record it"


def test_spans_that_wait_are_sent_when_the_server_ends():
    collector = Collector()
    with Server("--set", "telemetry.interval_ms=600000", "--set", f"telemetry.otlp_endpoint={collector.url}") as s:
        assert s.call("GET", "/v1/models").status == 200
        assert not collector.requests
    assert any(span["name"] == "GET /v1/models" for span in collector.spans)
