#!/usr/bin/env python3
"""What the engine promises about speed, one part at a time: engine_bench.py --part batching,prefix,... or --part all.

  batching   tokens a second of 16 clients against one                              (goal: 4 times)
  mixed      p99 time to first token on a mixed load, against one request at a time  (goal: a fifth)
  prefix     time to first token of a 1,500-token prefix seen before, against new    (goal: 8 %)
  overhead   scheduling and sampling: share of a step at batch 16, us a sequence     (goal: 3 %, 20 us)
  fairness   tokens a second of 16 clients with 16 users against one user            (goal: 0.95)
  null       256 streams of the null plugin: tokens a second, and what the way adds  (goal: 50,000/s, p99 3 ms)
  drafts     tokens a second with speculative decoding against without, on an answer that repeats itself, on one that
             only seems to (few tokens, drawn at random), and on noise              (goal: 1.5 times, 0.98, 0.98)
  leave      steps that a request lives on after its client has gone                 (goal: 1)

The model has random weights in the shape of Qwen2.5-0.5B, Q8_0. Sides alternate; medians and the range of single ratios are
printed. Figures swing with the machine; ratios of one run are what counts. --json FILE keeps everything.
"""
import argparse
import http.client
import json
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import BUILD, Server, wait_for  # noqa: E402

SHAPE, KIND = "qwen2.5-0.5b", "q8_0"


class Timed:
    """One streamed completion: seconds to the first token, to the last, and the usage."""

    def __init__(self, port, model, prompt, tokens, **more):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        start = time.perf_counter()
        connection.request("POST", "/v1/completions", json.dumps(
            dict(model=model, prompt=prompt, max_tokens=tokens, temperature=0, stream=True, ignore_eos=True) | more),
            {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        self.first, self.usage = None, None
        for line in answer:
            if line.startswith(b"data: {"):
                if self.first is None:
                    self.first = time.perf_counter() - start
                event = json.loads(line[6:])
                assert "error" not in event, event
                self.usage = event.get("usage") or self.usage
        self.last = time.perf_counter() - start
        assert self.usage["completion_tokens"] == tokens, self.usage
        connection.close()


def at_once(jobs):
    """Runs (delay, function) pairs, each on its own thread; returns results in order."""
    results, errors = [None] * len(jobs), []

    def run(i, delay, job):
        try:
            time.sleep(delay)
            results[i] = job()
        except Exception as e:  # noqa: BLE001: shown below
            errors.append(e)

    threads = [threading.Thread(target=run, args=(i, *job)) for i, job in enumerate(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return results


def prompt(rng, length):
    """Token ids of single bytes, different each time."""
    return [rng.randrange(256) for _ in range(length)]


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def stats(server, uid):
    return server.call("GET", f"/gantry/v1/models/{uid}/stats").json


def compared(pairs, better="more"):
    """Medians of two alternating sides, and the ratio of the first to the second."""
    single = [a / b for a, b in pairs]
    a, b = (statistics.median(side) for side in zip(*pairs))
    return dict(first=a, second=b, ratio=a / b, low=min(single), high=max(single), better=better)


def batching(args, model):
    rng = random.Random(1)
    with Server("--set", f"fleet.threads={args.threads}") as s:
        s.launch("m", model=model, engine="cpu", context_length=1024, max_num_seqs=16)

        def rate(clients):
            tokens = args.tokens
            start = time.perf_counter()
            at_once([(0, lambda: Timed(s.port, "m", prompt(rng, 16), tokens)) for _ in range(clients)])
            return clients * tokens / (time.perf_counter() - start)

        rate(1)
        pairs = [(rate(16), rate(1)) for _ in range(args.rounds)]
    return compared(pairs) | dict(unit="tokens/s of 16 clients, of one", goal=">= 4")


def mixed(args, model):
    """Requests come 2.5 times as fast as one at a time can be served; how fast that is, is measured first."""
    rng = random.Random(7)
    shapes = [(rng.choice([16, 32, 64, 256]), rng.choice([16, 32, 64, 192])) for _ in range(args.requests)]

    def side(sequences, pause):
        jobs = [(pause * i, lambda p=prompt(rng, length), n=n: Timed(s.port, "m", p, n))
                for i, (length, n) in enumerate(shapes)]
        with Server("--set", f"fleet.threads={args.threads}") as s:
            s.launch("m", model=model, engine="cpu", context_length=1024, max_num_seqs=sequences)
            if pause == 0:
                some = shapes[:6]
                return sum(Timed(s.port, "m", prompt(rng, length), n).last for length, n in some) / len(some)
            return quantile([d.first for d in at_once(jobs)], 0.99)

    pause = side(1, 0) / 2.5
    pairs = [(side(1, pause), side(32, pause)) for _ in range(max(args.rounds // 2, 1))]
    return compared(pairs) | dict(unit="p99 seconds to the first token, one at a time, batched", goal=">= 5", pause=pause)


def prefix(args, model):
    rng = random.Random(3)
    with Server("--set", f"fleet.threads={args.threads}") as s:
        s.launch("m", model=model, engine="cpu", context_length=4096, max_num_seqs=16)
        pairs = []
        for _ in range(args.rounds):
            shared = prompt(rng, 1500)
            new, seen = (Timed(s.port, "m", shared + prompt(rng, 8), 4) for _ in range(2))
            assert seen.usage["prompt_tokens_details"]["cached_tokens"] >= 1400, seen.usage
            pairs.append((seen.first, new.first))
    return compared(pairs) | dict(unit="seconds to the first token, prefix seen, new", goal="<= 0.08")


def overhead(args, model):
    rng = random.Random(5)
    rows = []
    with Server("--set", f"fleet.threads={args.threads}") as s:
        s.launch("m", model=model, engine="cpu", context_length=1024, max_num_seqs=16)

        def sequences(all_stats):
            return next(m["sum"] for m in all_stats["metrics"] if m["name"] == "gantry_engine_step_sequences")

        for _ in range(args.rounds):
            before = stats(s, "m")
            at_once([(0, lambda: Timed(s.port, "m", prompt(rng, 16), args.tokens)) for _ in range(16)])
            after = wait_for(lambda: (x := stats(s, "m"))["running"] == 0 and x)
            took = after["overhead_seconds"] - before["overhead_seconds"]
            rows.append((took / (after["busy_seconds"] - before["busy_seconds"]),
                         took / (sequences(after) - sequences(before)) * 1e6,
                         (sequences(after) - sequences(before)) / (after["steps"] - before["steps"])))
    share, each, batch = (statistics.median(column) for column in zip(*rows))
    return dict(share_of_step=share, us_per_sequence=each, mean_batch=batch, goal="<= 0.03 and <= 20 us")


def fairness(args, model):
    rng = random.Random(9)
    with Server("--set", f"fleet.threads={args.threads}") as s:
        s.launch("m", model=model, engine="cpu", context_length=1024, max_num_seqs=8)

        def rate(users):
            start = time.perf_counter()
            at_once([(0, lambda i=i: Timed(s.port, "m", prompt(rng, 16), args.tokens, user=f"user-{i % users}"))
                     for i in range(16)])
            return 16 * args.tokens / (time.perf_counter() - start)

        rate(1)
        pairs = [(rate(16), rate(1)) for _ in range(args.rounds)]
    return compared(pairs) | dict(unit="tokens/s with 16 users, with one", goal=">= 0.95")


def null(args, _):
    """Twice: as fast as it goes, and paced so that what the way adds to a token can be told."""
    def load(tokens, **options):
        with Server("--set", "log.access=false") as s:
            s.launch("null", engine="null", max_num_seqs=256, context_length=2048,
                     engine_options={k: str(v) for k, v in options.items()})
            command = [BUILD / "bin" / "stream_load", "--port", str(s.port), "--model", "null", "--streams", "256", "--tokens",
                       str(tokens), "--pid", str(s.process.pid), "--pid", str(s.models()["null"]["pid"])]
            if options.get("stamp_us"):
                letters = [s.call("POST", "/gantry/v1/models/null/detokenize", dict(ids=[40, i])).json["text"][-1]
                           for i in range(35, 94)]
                assert len(set(letters)) == 59, letters
                command += ["--stamp-us", str(options["stamp_us"]), "--alphabet", "".join(letters)]
            return json.loads(subprocess.check_output(command))

    full = [load(1900) for _ in range(args.rounds)]
    # A token every 4 ms for each of 256 streams; a step takes a little longer than it sleeps.
    paced = [load(1000, step_us=args.step_us, stamp_us=200) for _ in range(args.rounds)]

    def median(runs, name, of=lambda v: v):
        return statistics.median(of(run[name]) for run in runs)

    return dict(
        tokens_per_second=median(full, "tokens_per_second"),
        full_cpu_us=dict(server=median(full, "cpu_us_per_token", lambda v: v[0]),
                         runner=median(full, "cpu_us_per_token", lambda v: v[1])),
        paced_tokens_per_second=median(paced, "tokens_per_second"),
        paced_added_ms={p: median(paced, "added_ms", lambda v: v[p]) for p in ("p50", "p90", "p99", "p999")},
        paced_cpu_us=dict(server=median(paced, "cpu_us_per_token", lambda v: v[0]),
                          runner=median(paced, "cpu_us_per_token", lambda v: v[1]),
                          load=median(paced, "own_cpu_us_per_token")),
        goal=">= 50,000 tokens/s; p99 added <= 3 ms (stamps are 0.2 ms coarse: as much may be too much)", runs=full + paced)


def drafts(args, model):
    """Single answers on one server, with and without by turns. The biases leave eight tokens: drawn greedily the model soon
    goes round in a circle, drawn hot each pair of tokens was there before and says nothing of the next."""
    rng = random.Random(11)
    few = {str(i): 100 for i in range(30, 38)}
    texts = dict(repeating=dict(temperature=0, logit_bias=few), misleading=dict(temperature=2, logit_bias=few),
                 noise=dict(temperature=1))
    rows = {}
    with Server("--set", f"fleet.threads={args.threads}") as s:
        s.launch("m", model=model, engine="cpu", context_length=2048, max_num_seqs=4, speculative="auto")

        def rate(text, speculative, ids, seed):
            done = Timed(s.port, "m", ids, 4 * args.tokens, seed=seed, speculative=speculative, **texts[text])
            return (4 * args.tokens - 1) / (done.last - done.first)

        for text in texts:
            rate(text, "auto", prompt(rng, 16), 0)
            before = stats(s, "m")
            pairs = []
            for seed in range(args.rounds):
                ids = prompt(rng, 16)
                sides = [rate(text, which, ids, seed) for which in (("auto", "off") if seed % 2 else ("off", "auto"))]
                pairs.append(tuple(sides if seed % 2 else reversed(sides)))
            after = stats(s, "m")
            rows[text] = compared(pairs) | {k: after[k] - before[k] for k in ("drafted_tokens", "accepted_tokens")}
    return dict(unit="tokens/s of one answer, with, without", goal=">= 1.5 repeating, >= 0.98 else") | rows


def leave(args, _):
    """Steps are 100 ms long, so that all but the step in progress are countable."""
    rows = {}
    with Server() as s:
        s.launch("null", engine="null", max_num_seqs=16, context_length=2048, engine_options={"step_us": "100000"})
        for phase, length in (("prefill", 1500), ("decode", 8)):
            for streamed in (True, False):
                seen = []
                for i in range(args.rounds):
                    begun = stats(s, "null")["steps"]
                    connection = http.client.HTTPConnection("127.0.0.1", s.port)
                    connection.request("POST", "/v1/completions", json.dumps(dict(
                        model="null", prompt=[(i * 7 + k) % 200 + 5 for k in range(length)], max_tokens=500, stream=streamed,
                        ignore_eos=True)), {"Content-Type": "application/json"})
                    wait = begun + (1 if phase == "prefill" else 3)
                    at_leaving = wait_for(lambda: (n := stats(s, "null")["steps"]) >= wait and n)
                    connection.close()
                    wait_for(lambda: stats(s, "null")["running"] == 0)
                    seen.append(stats(s, "null")["steps"] - at_leaving)
                rows[f"{phase}, {'streamed' if streamed else 'whole'}"] = max(seen)
    return dict(most_steps_after_leaving=rows, goal="<= 1: the step in progress")


PARTS = dict(batching=batching, mixed=mixed, prefix=prefix, overhead=overhead, fairness=fairness, drafts=drafts, null=null, leave=leave)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--part", default="all", help="comma-separated; " + ", ".join(PARTS))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--tokens", type=int, default=48, help="of each answer, in batching, overhead and fairness")
    p.add_argument("--requests", type=int, default=40, help="of the mixed load")
    p.add_argument("--step-us", type=int, default=3500, help="pace of the null plugin's second run")
    p.add_argument("--threads", type=int, default=0, help="of the model; 0: all cores")
    p.add_argument("--model", type=pathlib.Path, help="a GGUF file; default: made once in the build folder")
    p.add_argument("--json", type=pathlib.Path)
    args = p.parse_args()
    parts = list(PARTS) if args.part == "all" else args.part.split(",")
    path = args.model or BUILD / "bench" / f"{SHAPE}-{KIND}.gguf"
    if not path.exists() and set(parts) - {"null", "leave"}:
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, HERE / "random_gguf.py", "--shape", SHAPE, "--type", KIND, "--out", path], check=True)
    out = {}
    for part in parts:
        out[part] = PARTS[part](args, str(path))
        shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in out[part].items() if k != "runs"}
        print(f"{part:10} {json.dumps(shown)}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
