"""Keys, logins, TLS and SIGHUP, with the unmodified clients and the real program."""
import os
import pathlib
import signal
import ssl
import subprocess
import urllib.request

import openai
import pytest
from harness import GANTRY, KeyServer, Server, free_port, wait_for
from xinference_client import RESTfulClient

ADMIN = KeyServer.ADMIN
TLS = pathlib.Path(__file__).parents[1] / "base" / "tls"


@pytest.fixture(scope="module")
def guarded():
    with KeyServer("--set", "auth.users=ann:launch:secret,eve:read:secret") as s:
        s.launch("m")
        yield s


def make_key(server, **wish):
    answer = server.call("POST", "/gantry/v1/keys", wish)
    assert answer.status == 200, answer.body
    return answer.json["key"]


def test_xinference_client_logs_in(guarded):
    client = RESTfulClient(guarded.url)
    with pytest.raises(RuntimeError):
        client.list_models()
    with pytest.raises(RuntimeError, match="Incorrect username or password"):
        client.login("ann", "wrong")
    client.login("ann", "secret")
    assert "m" in client.list_models()
    assert client.launch_model("gantry-demo", model_engine="llama.cpp", model_uid="anns") == "anns"
    model = client.get_model("anns")
    assert model.chat([{"role": "user", "content": "hi"}], generate_config={"max_tokens": 3})["usage"]
    client.terminate_model("anns")
    client.close()


def test_an_api_key_answers_but_launches_nothing(guarded):
    key = make_key(guarded, name="app")
    client = RESTfulClient(guarded.url, api_key=key)
    assert "m" in client.list_models()
    assert client.describe_model("m")["model_name"] == "gantry-demo"
    assert client.get_model("m").chat([{"role": "user", "content": "hi"}], generate_config={"max_tokens": 3})
    with pytest.raises(RuntimeError, match="Not enough permissions"):
        client.launch_model("gantry-demo", model_engine="llama.cpp", model_uid="no")
    client.close()


def test_a_reader_cannot_chat(guarded):
    client = RESTfulClient(guarded.url)
    client.login("eve", "secret")
    assert "m" in client.list_models()
    with pytest.raises(RuntimeError, match="Not enough permissions"):
        client.get_model("m").chat([{"role": "user", "content": "hi"}])
    client.close()


def test_openai_maps_refusals_to_its_exceptions(guarded):
    hello = dict(model="m", messages=[{"role": "user", "content": "hi"}], max_tokens=2)
    chat = lambda key: openai.OpenAI(  # noqa: E731
        base_url=guarded.url + "/v1", api_key=key, max_retries=0).chat.completions.with_raw_response.create(**hello)
    with pytest.raises(openai.AuthenticationError):
        chat("wrong")
    with pytest.raises(openai.PermissionDeniedError):
        chat(make_key(guarded, name="other", models=["other"]))
    slow = make_key(guarded, name="slow", requests_per_minute=1)
    first = chat(slow)
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as refused:
        chat(slow)
    assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 60


def test_keys_are_made_without_a_server_and_by_one(tmp_path):
    env = dict(os.environ, XDG_STATE_HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path),
               GANTRY_SERVER=f"127.0.0.1:{free_port()}")
    env.pop("GANTRY_API_KEY", None)
    run = lambda *a, **k: subprocess.run(  # noqa: E731
        [GANTRY, "keys", *a], env=env, capture_output=True, text=True, timeout=60, **k)
    refused = run("create", "app")
    assert refused.returncode == 1 and "scope admin" in refused.stderr
    made = run("create", "boss", "--scope", "admin", "--expires-in", "30d")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("gk-")
    assert "boss" in run("list").stdout
    with Server(GANTRY_PATHS_STATE_DIR=str(tmp_path / "gantry")) as server:
        assert server.call("GET", "/v1/models").status == 401
        env["GANTRY_SERVER"] = server.url
        assert "show a key" in run("list").stderr
        env["GANTRY_API_KEY"] = key
        app = run("create", "app", "--json")
        assert app.returncode == 0, app.stderr
        rows = run("list").stdout
        assert "boss" in rows and "app" in rows
        ident = next(line.split()[0] for line in rows.splitlines() if " app " in line)
        assert run("revoke", ident).returncode == 0
        assert " app " not in run("list").stdout
    hashed = run("hash-password", input="secret\n")
    assert hashed.stdout.startswith("$pbkdf2-sha256$")


def test_tls_and_its_reload(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install(name):
        cert.write_bytes((TLS / f"{name}.cert.pem").read_bytes())
        key.write_bytes((TLS / f"{name}.key.pem").read_bytes())

    class TlsServer(Server):
        trusted = "first"

        def answers(self):
            self.url = self.url.replace("http://", "https://")
            context = ssl.create_default_context(cafile=TLS / f"{self.trusted}.cert.pem")
            try:
                with urllib.request.urlopen(self.url + "/healthz", context=context, timeout=10) as r:
                    return r.status == 200
            except OSError:
                return False

    install("first")
    with TlsServer("--set", f"server.tls_certificate={cert}", "--set", f"server.tls_key={key}") as server:
        install("second")
        server.process.send_signal(signal.SIGHUP)
        server.trusted = "second"
        wait_for(server.answers, what="the new certificate")
        for more, good in ((["--ca-file", str(TLS / "second.cert.pem")], True), ([], False)):
            listed = subprocess.run([GANTRY, "ps", "--server", server.url, *more], capture_output=True, text=True,
                                    timeout=60)
            assert (listed.returncode == 0) == good, listed.stderr
        assert "not to be trusted" in listed.stderr and "--ca-file" in listed.stderr
        key.write_text("broken")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "stays as it is" in server.log_text(), what="the refusal")
        assert server.answers()


def test_a_public_address_needs_keys():
    serve = subprocess.run([GANTRY, "serve", "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True,
                           timeout=60, env=dict(os.environ, XDG_DATA_HOME="/nonexistent/x"))
    assert serve.returncode == 1
    assert "asks nobody for a key" in serve.stderr
