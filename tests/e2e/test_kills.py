"""What a kill -9 costs: of a runner, its own requests for a moment; of the server, everything, and nothing stays behind."""
import os
import signal
import threading

import pytest

from harness import Server, alive, wait_for


def test_a_killed_runner_costs_its_own_requests_and_comes_back(server):
    server.launch("victim")
    server.launch("bystander")
    victim = server.models()["victim"]["pid"]
    all_started, events = threading.Barrier(5), []

    def request():
        waiting = True
        try:
            for event in server.stream("victim", temperature=0, max_tokens=2000, ignore_eos=True):
                events.append(event)
                if waiting:
                    waiting = False
                    all_started.wait(20)
        except Exception as error:  # a connection cut in the middle would be a failure of the test below
            events.append({"exception": repr(error)})

    threads = [threading.Thread(target=request) for _ in range(4)]
    for t in threads:
        t.start()
    all_started.wait(20)
    os.kill(victim, signal.SIGKILL)
    for t in threads:
        t.join(20)
    errors = [e for e in events if "error" in e and e["error"]]
    assert len(errors) == 4, events[-1]
    assert not [e for e in events if "exception" in e], events[-1]
    assert "signal" in str(errors[0]["error"]) or "killed" in str(errors[0]["error"]).lower()

    assert server.chat("bystander", max_tokens=3).status == 200
    wait_for(lambda: server.models()["victim"]["state"] == "ready", what="the restart")
    assert server.models()["victim"]["pid"] != victim
    assert server.chat("victim", max_tokens=3).status == 200


def test_no_runner_survives_a_killed_server():
    server = Server()
    try:
        for uid in "ab":
            server.launch(uid)
        pids = [m["pid"] for m in server.models().values()]
        assert all(alive(p) for p in pids)
        server.process.kill()
        server.process.wait()
        wait_for(lambda: not any(alive(p) for p in pids), seconds=2, what="the runners' end")
    finally:
        server.close()


def test_a_client_that_leaves_frees_its_slot(server):
    server.launch("left")
    for event in server.stream("left", max_tokens=2000, ignore_eos=True):
        break  # leaving the loop closes the connection
    wait_for(lambda: server.call("GET", "/gantry/v1/models/left/stats").json.get("running") == 0,
             what="the end of the abandoned request")
