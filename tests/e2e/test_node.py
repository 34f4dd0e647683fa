"""The unmodified clients from npm against a running server: tests/e2e/node/*.mjs, by Node's own test runner.

They skip, and say so, where Node or its packages could not be set up (see build/node in the Makefile)."""
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import Server

HERE = pathlib.Path(__file__).parent / "node"
PACKAGES = pathlib.Path(__file__).parents[2] / "build" / "node"


@pytest.fixture(scope="module")
def server():
    if shutil.which("node") is None:
        pytest.skip("Node's clients are not tested: there is no node here")
    if not (PACKAGES / "node_modules" / "openai").is_dir():
        pytest.skip(f"Node's clients are not tested: they are not in {PACKAGES} (make build/node/.ready)")
    with Server() as s:
        s.launch("demo")
        s.launch("emb", engine="null", engine_options={"embed_width": 16}, model_type="embedding")
        yield s


@pytest.mark.parametrize("client", ["openai", "anthropic", "ollama"])
def test_client(server, client):
    env = dict(os.environ, GANTRY_URL=server.url, GANTRY_NODE=str(PACKAGES))
    ran = subprocess.run(["node", "--test", HERE / f"{client}.mjs"], env=env, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
