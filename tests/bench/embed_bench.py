#!/usr/bin/env python3
"""What many callers of an embedding model cost beside one call of the same texts (goal: 1.1 times).

  embed_bench.py --model FOLDER                 a real model, on --engine
  embed_bench.py                                the null plugin: what the way costs by itself, without a model

One side sends --texts texts in one request, the other each in a request of its own, all at once on kept-alive
connections. Sides alternate; medians and the range of single ratios are printed. Requests are written before the clock
starts and answers read by one selector loop, so that the caller takes little of the machine that it measures.
"""
import argparse
import json
import pathlib
import random
import selectors
import socket
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import Server  # noqa: E402


def message(model, texts):
    body = json.dumps({"model": model, "input": texts, "encoding_format": "base64"}).encode()
    head = (f"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


class Call:
    """One request on a connection of its own; `done` once the answer is whole."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self, request):
        self.answer, self.done, self.need = b"", False, None
        self.socket.sendall(request)

    def read(self):
        self.answer += self.socket.recv(1 << 20)
        if self.need is None and b"\r\n\r\n" in self.answer:
            head, _, _ = self.answer.partition(b"\r\n\r\n")
            assert b" 200 " in head.split(b"\r\n")[0], self.answer[:500]
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            self.need = len(head) + 4 + int(length[0].split(b":")[1])
        self.done = self.need is not None and len(self.answer) >= self.need


def seconds(calls, requests):
    with selectors.DefaultSelector() as selector:
        for call in calls:
            selector.register(call.socket, selectors.EVENT_READ, call)
        start = time.perf_counter()
        for call, request in zip(calls, requests):
            call.begin(request)
        left = len(calls)
        while left:
            for key, _ in selector.select():
                key.data.read()
                if key.data.done:
                    selector.unregister(key.data.socket)
                    left -= 1
        return time.perf_counter() - start


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", help="folder or file of an embedding model; without it, the null plugin")
    p.add_argument("--engine", default="auto")
    p.add_argument("--texts", type=int, default=256)
    p.add_argument("--words", type=int, default=40, help="of a text, on the average")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", help="file for the figures")
    a = p.parse_args()
    rng = random.Random(7)
    vocabulary = "a model serves many texts at once and each of them gets a vector that says what it is about".split()
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(a.words // 2, a.words * 3 // 2))) for _ in range(a.texts)]
    with Server() as server:
        if a.model:
            server.launch("m", model=a.model, engine=a.engine)
        else:
            server.launch("m", engine="null", engine_options={"embed_width": 384})
        one, many = [Call(server.port)], [Call(server.port) for _ in texts]
        whole, single = [message("m", texts)], [message("m", text) for text in texts]
        seconds(one, whole), seconds(many, single)  # warm up
        batched, concurrent = [], []
        for _ in range(a.rounds):
            batched.append(seconds(one, whole))
            concurrent.append(seconds(many, single))
        stats = server.call("GET", "/gantry/v1/models/m/stats").json
    ratios = [c / b for b, c in zip(batched, concurrent)]
    b, c = statistics.median(batched), statistics.median(concurrent)
    print(f"{a.texts} texts: one call {b * 1e3:.1f} ms, {a.texts} calls at once {c * 1e3:.1f} ms: "
          f"{c / b:.2f} times ({min(ratios):.2f} to {max(ratios):.2f}); "
          f"{(c - b) / a.texts * 1e6:.0f} us more a call; {stats['steps']} steps of {stats['inputs']} texts")
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(dict(batched=batched, concurrent=concurrent, ratios=ratios)))


if __name__ == "__main__":
    main()
