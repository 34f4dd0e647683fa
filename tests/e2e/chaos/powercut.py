"""Changes of a server's state that are recorded with what was acknowledged, and the server's death in the middle of them.

A thing (a launch, a registration, an alias, a key) is known by its kind and name. `sure` has what the server has acknowledged
last: the thing's version, or None where it is gone. `open` has things with a change under way that was not acknowledged: of
them either the version before or the one asked for may be found after the cut, whole in either case."""
import contextlib
import json
import os
import signal
import threading
import time

from chaos.measure import children
from harness import own_models, wait_for


class World:
    def __init__(self, server):
        self.server = server
        self.sure, self.open = {}, {}
        self.lock = threading.Lock()
        self.acknowledged = 0
        self.secrets = {}  # of keys, by id
        self.models = own_models()

    def change(self, kind, name, version, request):
        """Sends one change; what became of it is recorded before anybody looks."""
        with self.lock:
            self.open[kind, name] = version
        answer = request()
        if answer.status >= 500:
            raise AssertionError(f"{kind} {name}: {answer.status} {answer.body}")
        with self.lock:
            del self.open[kind, name]
            if answer.status == 200:
                self.sure[kind, name] = version
                self.acknowledged += 1
        return answer

    def launch(self, name, dice):
        context = dice.choice((256, 512, 1024))
        body = dict(model_name="gantry-demo", model_uid=name, model_engine="null", context_length=context)
        self.change("launch", name, context,
                    lambda: self.server.call("POST", "/v1/models?wait_ready=false", body))

    def stop(self, name, dice):
        self.change("launch", name, None, lambda: self.server.call("DELETE", f"/v1/models/{name}"))

    def register(self, name, dice):
        length = dice.randrange(64, 4096)
        spec = dict(version=2, model_name=name, model_lang=["en"], model_ability=["chat"], context_length=length,
                    model_specs=[dict(model_format="ggufv2", model_size_in_billions="0_1", quantization="f32",
                                      model_uri="file://" + self.models[0])])
        self.change("registration", name, length, lambda: self.server.call(
            "POST", "/v1/model_registrations/LLM", dict(model=json.dumps(spec), persist=True)))

    def unregister(self, name, dice):
        self.change("registration", name, None,
                    lambda: self.server.call("DELETE", f"/v1/model_registrations/LLM/{name}"))

    def alias(self, name, dice):
        uid = f"m{dice.randrange(4)}"
        self.change("alias", name, uid,
                    lambda: self.server.call("POST", "/gantry/v1/aliases", {"name": name, "uid": uid}))

    def drop_alias(self, name, dice):
        self.change("alias", name, None, lambda: self.server.call("DELETE", f"/gantry/v1/aliases/{name}"))

    def create_key(self, name, dice):
        answer = self.server.call("POST", "/gantry/v1/keys", {"name": name, "scope": "inference"})
        if answer.status == 200:  # it has a name of its own each time, so its beginning is not "open"
            with self.lock:
                self.sure["key", answer.json["id"]] = name
                self.secrets[answer.json["id"]] = answer.json["key"]
                self.acknowledged += 1

    def revoke_key(self, name, dice):
        with self.lock:
            there = [i for (kind, i), version in self.sure.items() if kind == "key" and version == name]
        if there:
            self.change("key", there[0], None, lambda: self.server.call("DELETE", f"/gantry/v1/keys/{there[0]}"))

    def work(self, worker, dice, ended):
        """Changes without end: things are shared by few workers each, so that a change has a foregone result."""
        pairs = ((self.launch, self.stop, "m"), (self.register, self.unregister, "r"),
                 (self.alias, self.drop_alias, "a"), (self.create_key, self.revoke_key, "k"))
        make, unmake, prefix = pairs[worker % len(pairs)]
        try:
            while not ended.is_set():
                name = f"{prefix}{dice.randrange(4)}"
                (make if dice.random() < 0.6 else unmake)(name, dice)
        except (OSError, ValueError):  # the cut
            pass
        except Exception as error:
            if not ended.is_set():
                self.broken = repr(error)
                raise

    def found(self):
        """What a server has, as (kind, name) -> version; all of it must be whole."""
        out = {}
        for launch in self.server.call("GET", "/gantry/v1/desired").json["models"]:
            assert launch["launch"]["model"] == "gantry-demo" and not launch["parked"], launch
            out["launch", launch["uid"]] = launch["launch"]["context"]
        for item in self.server.call("GET", "/v1/model_registrations/LLM").json:
            if not item["is_builtin"]:
                whole = self.server.call("GET", f"/v1/model_registrations/LLM/{item['model_name']}").json
                assert whole["model_specs"][0]["model_uri"] == "file://" + self.models[0], whole
                out["registration", item["model_name"]] = whole["context_length"]
        for name, uid in self.aliases().items():
            out["alias", name] = uid
        for key in self.server.call("GET", "/gantry/v1/keys").json["data"]:
            out["key", key["id"]] = key["name"]
        return out

    def aliases(self):
        return {a["name"]: a["uid"] for a in self.server.call("GET", "/gantry/v1/aliases").json["aliases"]}

    def check(self):
        """Compares what is found with what was acknowledged, and takes over what was left open."""
        found = self.found()
        for thing in sorted(set(found) | set(self.sure) | set(self.open)):
            now, sure = found.get(thing), self.sure.get(thing)
            if thing in self.open:
                assert now in (sure, self.open[thing]), f"{thing} is {now}, was {sure}, to be {self.open[thing]}"
            elif thing[0] == "key" and thing not in self.sure:
                pass  # made, but its maker never heard of it
            else:
                assert now == sure, f"{thing} was acknowledged as {sure} and is {now}"
        self.sure, self.open = found, {}
        return found

    def check_keys(self):
        """Each acknowledged key opens the door; one that is gone does not."""
        own = self.server.headers
        try:
            for key_id, secret in self.secrets.items():
                self.server.headers = {"Authorization": f"Bearer {secret}"}
                wanted = 200 if self.sure.get(("key", key_id)) else 401
                assert self.server.call("GET", "/v1/auth/me").status == wanted, key_id
        finally:
            self.server.headers = own

    def all_back(self):
        wanted = {name for (kind, name), version in self.sure.items() if kind == "launch"}
        models = self.server.models()
        assert set(models) <= wanted, (models.keys(), wanted)
        return set(models) == wanted and all(m["state"] == "ready" for m in models.values())


def cut_power(server):
    """Everything at once, with no time for anybody to say goodbye."""
    processes = [server.process.pid, *children(server.process.pid)]
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait(30)


def round_of(world, dice, workers, seconds):
    """Changes for a random time, then the cut, then the server's return and what it still knows."""
    ended = threading.Event()
    seeds = [dice.random() for _ in range(workers)]
    import random
    threads = [threading.Thread(target=world.work, args=(n, random.Random(seeds[n]), ended)) for n in range(workers)]
    for t in threads:
        t.start()
    time.sleep(seconds * dice.random())
    cut_power(world.server)
    ended.set()
    for t in threads:
        t.join(60)
    if dice.random() < 0.2:  # and once more while it comes back
        world.server.start(wait=False)
        time.sleep(0.3 * dice.random())
        cut_power(world.server)
    world.server.start()
    world.check()
    wait_for(world.all_back, 60, "the models' return")
