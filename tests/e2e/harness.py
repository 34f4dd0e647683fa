"""What the end-to-end tests share: a server of their own on a free port, and small HTTP helpers."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BUILD = pathlib.Path(os.environ.get("GANTRY_BUILD_DIR", pathlib.Path(__file__).parents[2] / "build" / "release"))
GANTRY = BUILD / "bin" / "gantry"
# No test asks other machines; those about downloads have a hub of their own and say so.
os.environ.setdefault("GANTRY_REGISTRY_OFFLINE", "true")


def own_models():
    """The program's own models, as files."""
    return sorted(str(p) for p in (BUILD / "share" / "gantry" / "models").glob("*.gguf"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds=20, what="condition"):
    """Polls; the time limit is a safety net, not a measurement."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["error"]["message"]


class Server:
    """`gantry serve` with its own state, ended (and its runners with it) on exit."""
    headers = {}  # sent with each call

    def __init__(self, *flags, **variables):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = tempfile.TemporaryDirectory(prefix="gantry-e2e-")
        self.flags = flags
        self.env = dict(os.environ, XDG_DATA_HOME=self.home.name + "/data", XDG_RUNTIME_DIR=self.home.name,
                        XDG_STATE_HOME=self.home.name + "/state", XDG_CONFIG_HOME=self.home.name + "/config",
                        HF_HOME=self.home.name + "/hf", **variables)
        self.log = open(self.home.name + "/server.log", "w+")
        self.start()

    def start(self, wait=True):
        """Begins it, or begins it again after its end."""
        self.process = subprocess.Popen([GANTRY, "serve", "--port", str(self.port), *self.flags], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if wait:
            wait_for(self.answers, what="the server")

    def answers(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError("the server ended: " + self.log.read()[-2000:])
        with contextlib.suppress(OSError):
            return self.call("GET", "/healthz").status == 200
        return False

    def call(self, method, path, body=None, raw=None, timeout=60):
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers={"Content-Type": "application/json", **self.headers})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as r:
                return Answer(r.status, r.headers, r.read())
        except urllib.error.HTTPError as e:
            return Answer(e.code, e.headers, e.read())

    def launch(self, uid, model="gantry-demo", engine="auto", **more):
        answer = self.call("POST", "/v1/models", dict(model_name=model, model_uid=uid, model_engine=engine, **more))
        assert answer.status == 200, answer.body
        return answer.json["model_uid"]

    def models(self):
        return {m["uid"]: m for m in self.call("GET", "/gantry/v1/models").json["models"]}

    def chat(self, uid, text="What is Gantry?", **more):
        return self.call("POST", "/v1/chat/completions", dict(
            model=uid, messages=[{"role": "user", "content": text}], temperature=0, **more))

    def stream(self, uid, text="What is Gantry?", **more):
        """Yields the decoded events of a streamed chat."""
        body = dict(model=uid, messages=[{"role": "user", "content": text}], stream=True, **more)
        request = urllib.request.Request(self.url + "/v1/chat/completions", data=json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as r:
            for line in r:
                if line.startswith(b"data: "):
                    data = line[6:].strip()
                    if data == b"[DONE]":
                        return
                    yield json.loads(data)

    def log_text(self):
        return pathlib.Path(self.log.name).read_text()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("the server did not end within 20 s of SIGTERM")
        self.log.close()
        self.home.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class KeyServer(Server):
    """One that asks everybody for a key; its own calls have the administrator's."""
    ADMIN = "0123456789abcdef0123456789abcdef"
    headers = {"Authorization": "Bearer " + ADMIN}

    def __init__(self, *flags, **variables):
        super().__init__("--set", "auth.admin_key=" + self.ADMIN, *flags, **variables)


def text_of(events):
    return "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e.get("choices"))


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
