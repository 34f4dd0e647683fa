"""Downloads: `gantry pull`, launches and Ollama's /api/pull against a hub on loopback (hub.py)."""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import harness
from hub import Hub, sha256

MIB = 1 << 20
KILLS = int(os.environ.get("GANTRY_PULL_KILLS", "12"))


def noise(mib, seed=1):
    return random.Random(seed).randbytes(int(mib * MIB))


@pytest.fixture
def hub():
    made = []

    def make(files, **more):
        made.append(Hub(files, **more))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


class Machine:
    def __init__(self, home):
        self.home = home
        self.cache = home / "hf" / "hub"

    def env(self, hub, **more):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "GANTRY_REGISTRY"))}
        return dict(keep, HOME=str(self.home), HF_HOME=str(self.home / "hf"), XDG_DATA_HOME=str(self.home / "data"),
                    XDG_CONFIG_HOME=str(self.home / "config"), XDG_STATE_HOME=str(self.home / "state"),
                    HF_ENDPOINT=hub.url, HF_HUB_DISABLE_TELEMETRY="1", GANTRY_REGISTRY_MODELSCOPE_URL=hub.url,
                    GANTRY_REGISTRY_OLLAMA_URL=hub.url, **more)

    def start(self, hub, *words, **more):
        return subprocess.Popen([harness.GANTRY, "pull", *words], env=self.env(hub, **more), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def pull(self, hub, *words, **more):
        process = self.start(hub, *words, **more)
        out, err = process.communicate(timeout=120)
        return process.returncode, out.strip(), err

    def blobs(self):
        return {p.name: p.read_bytes() for p in self.cache.glob("models--org--model/blobs/*")}


GGUF = {"README.md": b"hello", "model-Q8_0.gguf": noise(3, 8), "model-Q4_K_M.gguf": noise(2, 4),
        "mmproj-model-f16.gguf": noise(1, 9)}


def test_the_usual_quantisation_comes_and_nothing_else(hub, machine):
    h = hub(GGUF)
    code, path, err = machine.pull(h, "hf:org/model", HF_TOKEN="secret")
    assert code == 0, err
    assert pathlib.Path(path).read_bytes() == GGUF["model-Q4_K_M.gguf"]
    assert "Q4_K_M" in err and "compromise" in err
    assert set(machine.blobs()) == {sha256(GGUF["model-Q4_K_M.gguf"])}
    assert all(("Authorization" in headers) == (kind == "api") for kind, _, _, headers in h.seen)
    assert {kind for kind, *_ in h.seen} == {"api", "store"}
    # A second pull asks what there is and fetches nothing.
    sent = h.sent
    assert machine.pull(h, "hf:org/model:q4_k_m")[:2] == (0, path)
    assert h.sent == sent


def test_parts_safetensors_and_names_that_lead_out(hub, machine):
    parts = {f"m-Q8_0-0000{i}-of-00002.gguf": noise(1, i) for i in (1, 2)}
    h = hub({**parts, "../evil.gguf": b"x", "/etc/evil.gguf": b"y"})
    code, path, err = machine.pull(h, "hf:org/model:Q8_0")
    assert code == 0, err
    assert sorted(p.name for p in pathlib.Path(path).parent.iterdir()) == sorted(parts)
    files = {"config.json": b"{}", "tokenizer.json": b"{} ", "model.safetensors": noise(1), "pytorch_model.bin": b"no",
             "1_Pooling/config.json": b"{ }", "onnx/model.safetensors": b"no"}
    other = Machine(machine.home / "other")
    code, path, err = other.pull(hub(files), "hf:org/model@main")
    assert code == 0, err
    found = {str(p.relative_to(path)) for p in pathlib.Path(path).rglob("*") if p.is_file()}
    assert found == {"config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"}


def test_model_scope_and_ollama(hub, machine):
    h = hub({"model-Q4_0.gguf": noise(1), "README.md": b"r"})
    code, path, err = machine.pull(h, "ms:org/model")
    assert code == 0, err
    assert "/modelscope/models--org--model/" in path and pathlib.Path(path).read_bytes() == noise(1)
    h = hub({"model.gguf": noise(1), "template": b"{{ .Prompt }}", "params": b"{}"})
    code, path, err = machine.pull(h, "ollama:model:1b")
    assert code == 0, err
    assert (pathlib.Path(path).parent / "template").read_bytes() == b"{{ .Prompt }}"


@pytest.mark.parametrize("faults", [[503, 429, 500], ["cut", "cut"], ["corrupt"], ["stall"], ["cut", "whole"]])
def test_what_goes_wrong_once_is_overcome(hub, machine, faults):
    h = hub({"m-Q4_0.gguf": noise(40)})
    h.faults = list(faults)
    code, path, err = machine.pull(h, "hf:org/model", GANTRY_REGISTRY_STALL_TIMEOUT_S="1")
    assert code == 0, err
    assert pathlib.Path(path).read_bytes() == noise(40)
    assert not h.faults


def test_damaged_data_are_never_published(hub, machine):
    h = hub({"m-Q4_0.gguf": noise(1)})
    h.always = "corrupt"
    code, _, err = machine.pull(h, "hf:org/model")
    assert code == 1 and "is damaged: its checksum is" in err
    assert machine.blobs() == {}


def test_a_mirror_helps_and_gets_no_token(hub, machine):
    mirror = hub({"m-Q4_0.gguf": noise(1)})
    dead = f"http://127.0.0.1:{harness.free_port()}"
    code, path, err = machine.pull(mirror, "hf:org/model", HF_TOKEN="secret", GANTRY_REGISTRY_HUGGINGFACE_URL=dead,
                                   GANTRY_REGISTRY_HUGGINGFACE_MIRRORS=mirror.url, GANTRY_REGISTRY_ATTEMPTS="2")
    assert code == 0, err
    assert pathlib.Path(path).read_bytes() == noise(1)
    assert not any("Authorization" in headers for *_, headers in mirror.seen)


def test_two_processes_make_one_download(hub, machine):
    h = hub({"m-Q4_0.gguf": noise(8)}, rate=8 * MIB)
    both = [machine.start(h, "hf:org/model") for _ in range(2)]
    outs = [p.communicate(timeout=60) for p in both]
    assert [p.returncode for p in both] == [0, 0], outs
    assert h.sent == 8 * MIB
    assert outs[0][0] == outs[1][0]


def test_killed_at_any_moment_it_goes_on(hub, machine):
    data = noise(64)
    h = hub({"m-Q4_0.gguf": data}, rate=4 * MIB)
    chance = random.Random(7)
    kills = 0
    for _ in range(KILLS):
        process = machine.start(h, "hf:org/model", GANTRY_REGISTRY_PARALLEL_RANGES="3")
        time.sleep(chance.uniform(0.02, 0.9))
        if process.poll() is None:
            kills += 1
        process.kill()
        process.communicate()
    partial = h.sent
    h.rate = None
    code, path, err = machine.pull(h, "hf:org/model")
    assert code == 0, err
    assert pathlib.Path(path).read_bytes() == data
    assert kills >= 1 and partial > 0
    print(f"{kills} kills, {partial / MIB:.0f} MiB before the last run, {(h.sent - partial) / MIB:.0f} MiB in it")
    if KILLS <= 20:  # otherwise one of the earlier runs may have ended it
        assert h.sent - partial < len(data), "nothing of what came before the kills was kept"


def test_ctrl_c_leaves_what_came(hub, machine):
    data = noise(32)
    h = hub({"m-Q4_0.gguf": data}, rate=8 * MIB)
    process = machine.start(h, "hf:org/model")
    harness.wait_for(lambda: h.sent > 4 * MIB, what="data")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1 and "goes on with it" in err
    h.rate, before = None, h.sent
    assert machine.pull(h, "hf:org/model")[0] == 0
    assert h.sent - before < 30 * MIB


def test_offline_and_other_hosts_are_not_asked(hub, machine):
    h = hub(GGUF)
    code, _, err = machine.pull(h, "hf:org/model", GANTRY_REGISTRY_OFFLINE="true")
    assert code == 1 and "not on this machine" in err and not h.seen
    code, _, err = machine.pull(h, "https://example.org/m.gguf")
    assert code == 1 and "may not reach the host example.org" in err


def test_the_rate_is_kept(hub, machine):
    h = hub({"m-Q4_0.gguf": noise(6)})
    begin = time.monotonic()
    code, _, err = machine.pull(h, "hf:org/model", GANTRY_REGISTRY_RATE_LIMIT=str(4 * MIB))
    assert code == 0, err
    assert time.monotonic() - begin > 1.2


def test_a_private_authority(hub, machine):
    pem = machine.home / "hub.pem"
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out", "-",
                           "-days", "2", "-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"],
                          capture_output=True)
    if made.returncode:
        pytest.skip("no openssl to make a certificate with")
    with open(pem, "ab") as f:
        f.write(made.stdout)
    h = hub({"m-Q4_0.gguf": noise(1)}, certificate=pem)
    code, _, err = machine.pull(h, "hf:org/model", GANTRY_REGISTRY_ATTEMPTS="1")
    assert code == 1 and "cannot be trusted" in err and "registry.ca_file" in err
    code, path, err = machine.pull(h, "hf:org/model", GANTRY_REGISTRY_CA_FILE=str(pem))
    assert code == 0, err


def test_a_full_disk_leaves_what_was_there(hub, machine):
    machine.cache.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", machine.cache], capture_output=True).returncode:
        pytest.skip("no leave to mount a small file system")
    try:
        h = hub({"a-Q4_0.gguf": noise(2), "b-Q8_0.gguf": noise(8)})
        code, path, err = machine.pull(h, "hf:org/model:Q4_0")
        assert code == 0, err
        code, _, err = machine.pull(h, "hf:org/model:Q8_0")
        assert code == 1 and "needs 8 MiB" in err and "make room" in err
        assert set(machine.blobs()) == {sha256(noise(2))} and pathlib.Path(path).read_bytes() == noise(2)
    finally:
        subprocess.run(["umount", machine.cache])


def test_hugging_faces_own_tools_share_the_files(hub, machine):
    h = hub(GGUF)
    load = ("import huggingface_hub as h; "
            "print(h.hf_hub_download('org/model', '{}', local_files_only={}))")

    def python(name, only_local):
        return subprocess.run([sys.executable, "-c", load.format(name, only_local)], env=machine.env(h), text=True,
                              capture_output=True)
    assert machine.pull(h, "hf:org/model:Q4_K_M")[0] == 0
    sent = h.sent
    theirs = python("model-Q4_K_M.gguf", True)
    assert theirs.returncode == 0, theirs.stderr
    assert pathlib.Path(theirs.stdout.strip()).read_bytes() == GGUF["model-Q4_K_M.gguf"]
    assert h.sent == sent
    theirs = python("model-Q8_0.gguf", False)
    assert theirs.returncode == 0, theirs.stderr
    sent = h.sent
    code, path, err = machine.pull(h, "hf:org/model:Q8_0")
    assert code == 0 and path == theirs.stdout.strip(), err
    assert h.sent == sent


def served(h):
    return harness.Server(HF_ENDPOINT=h.url, HF_TOKEN="", GANTRY_REGISTRY_OFFLINE="false")


def test_a_launch_downloads_and_shows_how_far_it_is(hub):
    demo = pathlib.Path(harness.own_models()[0]).read_bytes()
    h = hub({"demo-Q8_0.gguf": demo}, rate=len(demo) // 2)
    with served(h) as server:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(server.call("POST", "/v1/models", {
            "model_name": "hf:org/model", "model_uid": "m", "model_engine": "auto"})))
        thread.start()
        seen = harness.wait_for(lambda: (m := server.models().get("m")) and m["stage"] == "download" and m, what="stage")
        assert seen["bytes_total"] == len(demo)
        thread.join()
        assert answers[0].status == 200, answers[0].body
        assert server.chat("m").status == 200


def test_ollamas_pull_tells_its_progress(hub):
    demo = pathlib.Path(harness.own_models()[0]).read_bytes()
    h = hub({"demo-Q8_0.gguf": demo}, rate=2 * len(demo))
    with served(h) as server:
        lines = [json.loads(x) for x in server.call("POST", "/api/pull", {"model": "hf:org/model"}).body.splitlines()]
        assert lines[0] == {"status": "pulling manifest"} and lines[-1] == {"status": "success"}, lines
        told = [x for x in lines if "completed" in x]
        assert told and all(x["digest"] == "sha256:" + sha256(demo) and x["total"] == len(demo) for x in told)
        assert server.call("POST", "/api/pull", {"model": "hf:org/other", "stream": False}).status in (400, 404)
