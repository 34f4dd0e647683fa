#!/usr/bin/env python3
"""What the server's front promises, one part at a time: front_bench.py --part models,idle,streams or --part all.

  models   GET /v1/models on 64 kept-alive connections, the server on one core      (goal: 40,000/s, p99 2 ms)
  idle     resident memory of the server with 10,000 connections that wait          (goal: 200 MiB in all)
  streams  1,000 streams of the null plugin at 50 tokens a second each, two cores   (goal: no token is lost or late)

The server is pinned to the first core that this process may use, the load generator to the second, in `models`; `streams` gives
all three processes both. One null model is launched in every part. The access log is written, as it is by default.
--json FILE keeps everything; exit status 1 where a goal is missed.
"""
import argparse
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import BUILD, Server  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))


def memory(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(field)


def run(*command, core=None):
    pin = ["taskset", "-c", str(core)] if core is not None else []
    done = subprocess.run([*pin, *map(str, command)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def models(args):
    with Server() as server:
        server.launch("null", engine="null")
        for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {CORES[0]})
        out = run(BUILD / "bin" / "front_load", "--port", server.port, "--connections", args.connections, "--seconds", args.seconds,
                  core=CORES[-1])
    print(f"GET /v1/models, {out['connections']} connections: {out['per_second']:,}/s, p50 {out['ms']['p50']:.2f} ms, "
          f"p99 {out['ms']['p99']:.2f} ms, longest {out['ms']['max']:.2f} ms (server on core {CORES[0]}, load on {CORES[-1]})")
    return out | {"good": out["per_second"] >= 40_000 and out["ms"]["p99"] <= 2}


def idle(args):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = args.idle
    assert hard > count + 200, f"ulimit -n {hard} is too small for {count} connections"
    with Server() as server:
        server.launch("null", engine="null")
        before = memory(server.process.pid)
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        sockets = []
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", server.port))
            s.sendall(request)
            assert s.recv(4096).startswith(b"HTTP/1.1 200"), "a connection was refused"
            sockets.append(s)
        after = memory(server.process.pid)
        peak = memory(server.process.pid, "VmHWM")
        answered = server.call("GET", "/v1/models").status == 200
        for s in sockets:
            s.close()
    out = dict(connections=count, before=before, after=after, peak=peak, bytes_each=(after - before) / count, answered=answered)
    print(f"{count:,} idle connections, each after one request: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} MiB with them, "
          f"{out['bytes_each']:,.0f} bytes each; peak {peak / 2**20:.1f} MiB")
    return out | {"good": answered and peak <= 200 * 2**20}


def streams(args):
    with Server() as server:
        server.launch("null", engine="null", max_num_seqs=args.streams, context_length=1024,
                      engine_options={"step_us": str(args.step_us)})
        out = run(BUILD / "bin" / "stream_load", "--port", server.port, "--model", "null", "--streams", args.streams, "--tokens",
                  args.tokens, "--pid", server.process.pid, "--pid", server.models()["null"]["pid"])
    each = args.tokens / out["seconds"]
    print(f"{args.streams:,} streams of {args.tokens} tokens, steps of {args.step_us} us: {out['tokens']:,} tokens, none lost, in "
          f"{out['seconds']:.2f} s: {each:.1f} tokens/s each, {out['tokens_per_second']:,}/s together; first token p99 "
          f"{out['first_ms']['p99']:.0f} ms, gap p50 {out['gap_ms']['p50']:.1f} p99 {out['gap_ms']['p99']:.1f} ms; CPU a token: "
          f"server {out['cpu_us_per_token'][0]:.1f} us, runner {out['cpu_us_per_token'][1]:.1f} us, "
          f"load {out['own_cpu_us_per_token']:.1f} us")
    return out | {"good": each >= 50}


PARTS = dict(models=models, idle=idle, streams=streams)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--part", default="all", help="comma-separated: " + ", ".join(PARTS))
    p.add_argument("--connections", type=int, default=64)
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--idle", type=int, default=10_000)
    p.add_argument("--streams", type=int, default=1000)
    p.add_argument("--tokens", type=int, default=250)
    p.add_argument("--step-us", type=int, default=15_000, help="pace of the null plugin; what its step takes beside comes on top")
    p.add_argument("--json", help="file for the figures")
    a = p.parse_args()
    results = {name: PARTS[name](a) for name in (PARTS if a.part == "all" else a.part.split(","))}
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(results))
    sys.exit(0 if all(r["good"] for r in results.values()) else 1)


if __name__ == "__main__":
    main()
