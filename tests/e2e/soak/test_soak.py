"""A soak: four models are launched and stopped again and again while clients ask at half of what the server can do. At the
end nothing has grown, and each error has its reason: its model was being stopped, or was not there.

GANTRY_SOAK_SECONDS: 1800 in `make test-long`."""
import collections
import os
import pathlib
import random
import sys
import threading
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1])]
from chaos.load import Ends, ask  # noqa: E402
from chaos.measure import Sampler, children, fds, open_files  # noqa: E402
from harness import Server, wait_for  # noqa: E402

SECONDS = float(os.environ.get("GANTRY_SOAK_SECONDS", "30"))
SEED = int(os.environ.get("GANTRY_SOAK_SEED", "11"))
CLIENTS = 8
MODELS = {
    "a": dict(engine="null", engine_options={"step_us": "500"}),
    "b": dict(engine="null", engine_options={"step_us": "500", "load_ms": "300"}),
    "c": dict(engine="null", replica=2),
    "d": dict(engine="auto"),
}


class Cycle:
    """One model that comes and goes. `turn` is even while it is meant to be there, and grows with each change."""

    def __init__(self, server, uid, dice, ended):
        self.server, self.uid, self.dice, self.ended = server, uid, dice, ended
        self.turn, self.launches, self.failures = 1, 0, []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.ended.is_set():
                self.server.launch(self.uid, **MODELS[self.uid])
                self.launches += 1
                self.turn += 1
                self.ended.wait(2 + 6 * self.dice.random())
                self.turn += 1
                stopped = self.server.call("DELETE", f"/v1/models/{self.uid}?drain_s=30")
                assert stopped.status == 200, stopped.body
                self.ended.wait(self.dice.random())
        except Exception as error:
            self.failures.append(repr(error))


def body(uid, dice):
    return dict(model=uid, messages=[{"role": "user", "content": "hello " * dice.randrange(1, 20)}], temperature=0,
                max_tokens=dice.randrange(1, 12), stream=dice.random() < 0.5)


def capacity(server, seconds=4):
    """Requests per second that the server does for clients that never rest."""
    ends, until = Ends(), time.monotonic() + seconds
    for uid, launch in MODELS.items():
        server.launch(uid, **launch)

    def run(number):
        dice = random.Random(number)
        while time.monotonic() < until:
            ask(ends, server.port, body(dice.choice(sorted(MODELS)), dice))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for uid in MODELS:
        assert server.call("DELETE", f"/v1/models/{uid}").status == 200
    assert set(ends.kinds) == {"answer"}, ends.kinds
    return sum(ends.kinds.values()) / seconds


def test_nothing_grows_and_every_error_has_its_reason():
    with Server() as server:
        rate = capacity(server) / 2
        ends, reasons, unexplained = Ends(), collections.Counter(), []
        ended, stopped = threading.Event(), threading.Event()
        pid = server.process.pid
        before = fds(pid)
        cycles = {uid: Cycle(server, uid, random.Random(SEED + n), stopped) for n, uid in enumerate(MODELS)}

        def client(number):
            dice, due = random.Random(SEED * 100 + number), time.monotonic()
            while not ended.is_set():
                due += CLIENTS / rate * 2 * dice.random()
                ended.wait(max(0, due - time.monotonic()))
                due = max(due, time.monotonic() - 1)  # what was missed is not made up for
                cycle = cycles[dice.choice(sorted(cycles))]
                turn = cycle.turn
                kind = ask(ends, server.port, body(cycle.uid, dice))
                there_all_along = turn % 2 == 0 and cycle.turn == turn
                if kind in ("error 404", "error 503") and not there_all_along:
                    reasons[kind] += 1
                elif kind != "answer":
                    unexplained.append((cycle.uid, kind, turn, cycle.turn))

        sampler = Sampler(pid, every=1)
        clients = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
        for t in clients:
            t.start()
        time.sleep(SECONDS)
        ended.set()
        for t in clients:
            t.join(90)
            assert not t.is_alive(), "a request has no end"
        points = sampler.stop()
        stopped.set()
        for cycle in cycles.values():
            cycle.thread.join(90)
        growth, noise = sampler.rss()
        wait_for(lambda: not children(pid), 20, "the runners' end")
        wait_for(lambda: fds(pid) <= before + 2, 20, f"the files' end (now: {open_files(pid)})")
        print("\nsoak:", dict(seconds=round(SECONDS), rate_per_s=round(rate, 1), ends=dict(ends.kinds),
                              explained=dict(reasons), launches={u: c.launches for u, c in cycles.items()},
                              fds=(before, max(p[2] for p in points), fds(pid)),
                              rss_kib=(points[0][1], points[-1][1]), rss_kib_per_s=round(growth, 2),
                              rss_noise_kib=round(noise)))
        assert not unexplained, unexplained[:5]
        assert not [f for c in cycles.values() for f in c.failures], [c.failures for c in cycles.values()]
        assert min(c.launches for c in cycles.values()) >= min(3, SECONDS / 20)
        if SECONDS >= 300:  # shorter ones are all warm-up
            assert growth * 0.6 * SECONDS < max(2 * noise, 4096), "the server grows"


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-x", "-q", "-s"]))
