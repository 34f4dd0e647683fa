#!/usr/bin/env python3
"""`make bench`: Gantry's figures, and the peer's (llama.cpp in the PyPI package xllamacpp) in the same run.

Runs alternate (ours, theirs, ours, ...); what is printed is the median of each and the ratio of the medians, with the
range of the single ratios. Figures swing with the machine; ratios of one run are what counts.
"""
import argparse
import http.client
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import BUILD, GANTRY, Server, free_port  # noqa: E402

import native_peer  # noqa: E402

PROMPT = "The quick brown fox jumps over the lazy dog. "


def rss_mib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


def start_up(runs=7):
    """Seconds from exec to the first answer of /healthz, and resident MiB when idle."""
    times, memory = [], []
    for _ in range(runs):
        port = free_port()
        start = time.perf_counter()
        process = subprocess.Popen([GANTRY, "serve", "--port", str(port)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                    connection.request("GET", "/healthz")
                    if connection.getresponse().status == 200:
                        break
                except OSError:
                    time.sleep(0.001)
            times.append(time.perf_counter() - start)
            time.sleep(0.5)
            memory.append(rss_mib(process.pid))
        finally:
            process.terminate()
            process.wait()
    return statistics.median(times), statistics.median(memory)


def request_latency(port, body, count=400):
    """Median milliseconds of one-token requests on a kept-alive connection; a bare socket, so that the client costs little."""
    data, times = json.dumps(body).encode(), []
    request = (f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(data)}\r\n\r\n").encode() + data
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(count + 50):
            start = time.perf_counter()
            s.sendall(request)
            answer = s.recv(65536)
            head, _, rest = answer.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(rest) < length:
                rest += s.recv(65536)
            assert head.startswith(b"HTTP/1.1 200")
            if i >= 50:
                times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def hop(server):
    """The server's and runner's share of a one-token request: over HTTP less the engine called directly."""
    ids = list(range(5, 13))
    server.launch("hop", engine="cpu")
    over_http = request_latency(server.port, {"model": "hop", "prompt": ids, "max_tokens": 1, "temperature": 0})
    server.call("DELETE", "/v1/models/hop")
    direct = float(subprocess.check_output([BUILD / "bin" / "engine_latency", BUILD / "share/gantry/models/gantry-demo.gguf"]))
    return over_http, direct


class Ours:
    def __init__(self, path, threads):
        self.server = Server("--set", f"fleet.threads={threads}")
        self.server.launch("m", model=str(path), engine="cpu", context_length=4096)

    def generate(self, prompt, tokens):
        """(seconds to the first token, seconds for the rest)."""
        return stream(self.server.port, prompt, tokens, "m")

    def close(self):
        self.server.close()


class Peer:
    """llama.cpp's own server, in a process of its own."""

    def __init__(self, path, threads):
        code = (
            "import sys, time, xllamacpp as x\n"
            "p = x.CommonParams()\n"
            "p.model.path = sys.argv[1]\n"
            "p.cpuparams.n_threads = p.cpuparams_batch.n_threads = int(sys.argv[2])\n"
            "p.n_ctx = 4096\np.n_parallel = 1\np.warmup = True\np.port = int(sys.argv[3])\n"
            "s = x.Server(p)\nprint(s.listening_address, flush=True)\ntime.sleep(1e6)\n")
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-c", code, str(path), str(threads), str(self.port)],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = self.process.stdout.readline().strip()
        assert address, "the peer did not start"
        self.port = int(address.rsplit(":", 1)[1].strip("/"))

    def generate(self, prompt, tokens):
        return stream(self.port, prompt, tokens, "m")

    def close(self):
        self.process.kill()
        self.process.wait()


def stream(port, prompt, tokens, model):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    start = time.perf_counter()
    connection.request("POST", "/v1/completions", json.dumps(dict(
        model=model, prompt=prompt, max_tokens=tokens, temperature=0, stream=True, ignore_eos=True, cache_prompt=False,
        stream_options={"include_usage": True})), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    first = usage = None
    for line in answer:
        if line.startswith(b"data: {"):
            if first is None:
                first = time.perf_counter()
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
    end = time.perf_counter()
    assert usage and usage["completion_tokens"] == tokens, usage
    return first - start, end - first, usage["prompt_tokens"]


def versus(path, threads, rounds, prompt_tokens, tokens):
    """{"prefill": [...], "decode": [...]} of (ours, theirs) in tokens a second."""
    ours, peer = Ours(path, threads), Peer(path, threads)
    rows = {"prefill": [], "decode": []}
    try:
        for i in range(rounds):
            pair = []
            for side in (ours, peer):
                # A new first word each time, so that neither side's prefix cache helps.
                text = f"{i}{'ab'[side is peer]} " + (PROMPT * 100)[:prompt_tokens - 3]
                first, rest, counted = side.generate(text, tokens)
                pair.append((counted / first, (tokens - 1) / rest))
            rows["prefill"].append((pair[0][0], pair[1][0]))
            rows["decode"].append((pair[0][1], pair[1][1]))
    finally:
        ours.close()
        peer.close()
    return rows


def model_file(folder, name):
    """The file of a "shape:type", made where it is not there yet."""
    shape, kind = name.split(":")
    path = folder / f"{shape}-{kind}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, HERE / "random_gguf.py", "--shape", shape, "--type", kind, "--out", path], check=True)
    return path


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--models", default="qwen2.5-0.5b:q8_0,qwen2.5-0.5b:q4_0,llama-3.2-1b:q4_0")
    p.add_argument("--folder", type=pathlib.Path, default=BUILD / "bench")
    p.add_argument("--skip-peer", action="store_true")
    p.add_argument("--threads", default="1,2")
    native = p.add_argument_group("a llama.cpp that was built for this machine (instead of everything else)")
    native.add_argument("--native-peer", type=pathlib.Path, metavar="DIR",
                        help="folder of its llama-bench and llama-batched-bench")
    native.add_argument("--batch", default="", help="also generate so many sequences at once, like 4,8,16")
    args = p.parse_args()
    threads = [int(n) for n in args.threads.split(",")]
    if args.native_peer:
        for path in map(lambda name: model_file(args.folder, name), args.models.split(",")):
            native_peer.compare(GANTRY, args.native_peer, path, args.rounds, threads=threads, prompt=args.prompt,
                                tokens=args.tokens, batches=[int(n) for n in args.batch.split(",") if n])
        return
    seconds, memory = start_up()
    print(f"exec to /healthz        {seconds * 1e3:8.1f} ms   (goal 200)")
    print(f"server idle, resident   {memory:8.1f} MiB  (goal 30)")
    with Server() as server:
        over_http, direct = hop(server)
    print(f"one token over HTTP     {over_http:8.3f} ms")
    print(f"one token, engine alone {direct:8.3f} ms")
    print(f"added by server+runner  {over_http - direct:8.3f} ms   (goal 0.5)", flush=True)
    if args.skip_peer:
        return
    print(f"\n{'model':28} {'threads':>7} {'':8} {'gantry':>9} {'llama.cpp':>9}  ratio (min .. max)")
    for name in args.models.split(","):
        path = model_file(args.folder, name)
        for count in threads:
            for what, pairs in versus(path, count, args.rounds, args.prompt, args.tokens).items():
                ours, theirs = (statistics.median(side) for side in zip(*pairs))
                single = [a / b for a, b in pairs]
                print(f"{name:28} {count:7} {what:8} {ours:9.1f} {theirs:9.1f}  {ours / theirs:.2f} "
                      f"({min(single):.2f} .. {max(single):.2f})", flush=True)


if __name__ == "__main__":
    main()
