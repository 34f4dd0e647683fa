"""Gantry's kernels against llama.cpp's own programs, built for this machine: prompts, generation, and many sequences.

xllamacpp's wheel is compiled for AVX2; its source package carries llama.cpp's sources, whose CMake builds for the
machine that it runs on. docs/performance.md says how.
"""
import json
import statistics
import subprocess


def ours(gantry, path, threads, prompt, tokens, batches):
    """{(threads, what, sequences): (tokens a second, this machine's limit or None)}; prompts: the best of two."""
    answer = json.loads(subprocess.check_output(
        [gantry, "bench", path, "--threads", ",".join(map(str, threads)), "--prompt", str(prompt), "-n", str(tokens),
         "--concurrency", ",".join(map(str, [1, *batches])), "--json"], stderr=subprocess.DEVNULL))
    return {(row["threads"], row["what"], row["sequences"]): (row["tokens_per_second"], row.get("limit"))
            for row in answer["speeds"]}


def theirs(folder, path, threads, prompt, tokens, batches):
    """The same without limits; prompts: the best of two after llama-bench's own warming."""
    rows = {}
    answer = json.loads(subprocess.check_output(
        [folder / "llama-bench", "-m", path, "-p", str(prompt), "-n", str(tokens), "-t", ",".join(map(str, threads)),
         "-r", "2", "-o", "json"], stderr=subprocess.DEVNULL))
    for row in answer:
        what = "prompt" if row["n_prompt"] else "generate"
        rows[row["n_threads"], what, 1] = max(row["samples_ts"])
    for count in threads if batches else []:
        lines = subprocess.check_output(
            [folder / "llama-batched-bench", "-m", path, "-c", str((16 + tokens) * max(batches)), "-npp", "16", "-ntg",
             str(tokens), "-npl", ",".join(map(str, batches)), "-t", str(count), "--output-format", "jsonl"],
            stderr=subprocess.DEVNULL, text=True)
        for line in filter(lambda text: text.startswith("{"), lines.splitlines()):
            row = json.loads(line)
            rows[count, "generate", row["pl"]] = row["speed_tg"]
    return rows


def compare(gantry, folder, path, rounds, **sizes):
    """Prints medians of alternating runs, and the ratio's range over the rounds."""
    pairs = [(ours(gantry, path, **sizes), theirs(folder, path, **sizes)) for _ in range(rounds)]
    print(f"\n{path.name}\n{'threads':>7} {'what':8} {'sequences':>9} {'gantry':>9} {'native':>9} {'limit':>9}  "
          f"ratio (min .. max)")
    for key in pairs[0][0]:
        mine = statistics.median(a[key][0] for a, _ in pairs)
        other = statistics.median(b[key] for _, b in pairs)
        limits = [a[key][1] for a, _ in pairs if a[key][1]]
        limit = f"{statistics.median(limits):9.1f}" if limits else f"{'-':>9}"
        single = [a[key][0] / b[key] for a, b in pairs]
        print(f"{key[0]:7} {key[1]:8} {key[2]:9} {mine:9.1f} {other:9.1f} {limit}  {mine / other:.2f} "
              f"({min(single):.2f} .. {max(single):.2f})", flush=True)
