"""The gantry command as a person uses it."""
import json
import os
import pathlib
import pty
import subprocess
import tempfile

import pytest

from harness import BUILD, GANTRY, free_port

SHARED = [pathlib.Path(p) for p in (os.environ.get("GANTRY_SHARED_DATA", ""), pathlib.Path(__file__).parents[3] / "shared" / "data")
          if str(p)]


@pytest.fixture
def home():
    with tempfile.TemporaryDirectory(prefix="gantry-cli-") as d:
        yield dict(os.environ, XDG_DATA_HOME=d + "/data", XDG_RUNTIME_DIR=d, XDG_STATE_HOME=d + "/state",
                   XDG_CONFIG_HOME=d + "/config", HF_HOME=d + "/hf", GANTRY_SERVER=f"127.0.0.1:{free_port()}")


def gantry(env, *words, stdin=None):
    return subprocess.run([GANTRY, *words], env=env, input=stdin, capture_output=True, text=True, timeout=60)


def test_run_starts_a_server_of_its_own_and_leaves_none(home):
    done = gantry(home, "run", "gantry-demo", "What is Gantry?", "-t", "0")
    assert done.returncode == 0, done.stderr
    assert "runtime" in done.stdout
    after = gantry(home, "ps")
    assert after.returncode == 1 and "gantry serve" in after.stderr


def test_run_reads_a_prompt_from_standard_input(home):
    done = gantry(home, "run", "gantry-demo", "-", "-t", "0", stdin="What is 2 + 2?")
    assert done.returncode == 0 and "4" in done.stdout, done


def test_chat_on_a_terminal(home):
    try:
        master, slave = pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal to be had here: {error}")
    process = subprocess.Popen([GANTRY, "run", "gantry-demo", "-t", "0"], env=home, stdin=slave, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    os.write(master, b"What is Gantry?\n/bogus\n/clear\n/bye\n")
    out, err = process.communicate(timeout=60)
    os.close(master), os.close(slave)
    assert process.returncode == 0, err
    assert "runtime" in out
    assert "no such command: /bogus" in err


@pytest.mark.parametrize("words,code,text", [
    (["frob"], 2, "no command"),
    (["lanch"], 2, "launch"),
    (["launch"], 2, "usage"),
    (["ps", "--jsn"], 2, "--json"),
    (["launch", "x", "--context", "abc"], 1, "--context"),
    (["tokenize", "hi"], 1, "--model"),
    (["bench", "gantry-demo", "--threads", "1,x"], 1, "--threads"),
    (["bench", "gantry-demo", "--prompt", "1000000"], 1, "context"),
    (["bench", "gantry-demo", "--engine", "none"], 1, "'none'"),
    (["show", "gantry-dem"], 1, "gantry-demo"),
    (["show", "/no/such/file.gguf"], 1, "/no/such/file.gguf"),
])
def test_wrong_calls_say_what_to_do(home, words, code, text):
    done = gantry(home, *words)
    assert done.returncode == code, done
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_help_manual_and_completion_cover_every_command(home):
    overview = gantry(home, "help").stdout
    for command in ["run", "serve", "launch", "ps", "stop", "sleep", "wake", "show", "bench", "backends", "tokenize", "detokenize", "template", "version"]:
        assert f"  {command}" in overview
        help_text = gantry(home, "help", command).stdout
        assert help_text.startswith(f"Usage: gantry {command}")
        assert f"GANTRY\\-{command.upper()}" in gantry(home, "man", command).stdout.replace("GANTRY-", "GANTRY\\-")
        for shell in ["bash", "zsh", "fish"]:
            assert command in gantry(home, "completion", shell).stdout
    script = gantry(home, "completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_bench_measures_the_machine_and_the_model(home):
    words = ["bench", "gantry-demo", "--threads", "1", "--prompt", "32", "--tokens", "4", "--concurrency", "1,3"]
    report = json.loads(gantry(home, *words, "--json").stdout)
    assert report["machine"][0]["read_bytes_per_second"] > 1e8
    assert [(s["what"], s["sequences"]) for s in report["speeds"]] == [("prompt", 1), ("generate", 1), ("generate", 3)]
    assert all(s["tokens_per_second"] > 0 for s in report["speeds"])
    assert "TOKENS/S" in gantry(home, *words).stdout


def test_tokenize_and_detokenize_are_inverse_line_by_line(home):
    text = "Hello, Gantry!\n  spaces  and ümlauts 日本\n\nx = 1 + 2\n"
    ids = gantry(home, "tokenize", "-m", "gantry-demo", stdin=text)
    assert ids.returncode == 0 and len(ids.stdout.splitlines()) == 4
    back = gantry(home, "detokenize", "-m", "gantry-demo", stdin=ids.stdout)
    assert back.stdout == text


def test_show_and_backends(home):
    shown = json.loads(gantry(home, "show", "gantry-demo", "--json").stdout)
    assert shown["architecture"] == "qwen3" and shown["context_length"] == 2048
    assert "context_length" in gantry(home, "show", "gantry-demo").stdout
    listed = json.loads(gantry(home, "backends", "--json").stdout)
    assert {p["id"] for p in listed["plugins"]} >= {"cpu", "reference"}
    assert "cpu" in gantry(home, "backends").stdout


def test_template_renders_and_refuses(home, tmp_path):
    (tmp_path / "in.json").write_text(json.dumps({
        "messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True, "now": "2026-11-22 12:00:00"}))
    (tmp_path / "t.jinja").write_text("{{ strftime_now('%Y-%m-%d') }} {{ messages[0].content }}")
    (tmp_path / "no.jinja").write_text("{{ raise_exception('not like this') }}")
    done = gantry(home, "template", str(tmp_path / "in.json"), "-t", str(tmp_path / "t.jinja"))
    assert (done.returncode, done.stdout) == (0, "2026-11-22 Hi")
    done = gantry(home, "template", str(tmp_path / "in.json"), "-t", str(tmp_path / "no.jinja"))
    assert done.returncode == 1 and "not like this" in done.stderr
    assert gantry(home, "template", str(tmp_path / "in.json"), "-m", "gantry-demo").stdout.endswith("assistant\n")


def test_published_templates_through_the_command(home, tmp_path):
    folder = next((p / "chat_templates" for p in SHARED if (p / "chat_templates").is_dir()), None)
    if folder is None:
        pytest.skip("the published templates are not on this machine")
    checked = 0
    for cases in sorted(folder.glob("*.cases.json")):
        template = folder / cases.name.replace(".cases.json", ".jinja")
        for case in json.loads(cases.read_text())[:2]:
            (tmp_path / "in.json").write_text(json.dumps({**case["input"], "now": "2026-11-22 12:00:00"}))
            done = gantry(home, "template", str(tmp_path / "in.json"), "-t", str(template))
            if "expected" in case:
                assert (done.returncode, done.stdout) == (0, case["expected"]), (cases.name, case["case"], done.stderr)
            else:
                assert done.returncode == 1 and done.stderr, cases.name
            checked += 1
    assert checked > 50


def test_colours_only_on_a_terminal(home):
    assert "\x1b" not in gantry(home, "backends").stdout + gantry(home, "nonsense").stderr
    assert BUILD.exists()
