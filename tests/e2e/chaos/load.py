"""Requests whose ends are judged: each must have exactly one, and one that is allowed."""
import collections
import http.client
import itertools
import json
import random
import threading

numbers = itertools.count(1)


class Ends:
    """What became of the requests, by kind; `wrong` has those that ended in a way that none may."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kinds = collections.Counter()
        self.ids, self.wrong = [], []

    def add(self, request_id, kind, detail=""):
        with self.lock:
            self.kinds[kind] += 1
            self.ids.append(request_id)
            if kind.startswith("wrong"):
                self.wrong.append((request_id, kind, detail))


def judge_stream(text):
    """The one end of a stream of server-sent events: "answer", "error event", or what is wrong with it."""
    events = [e for e in text.split("\n\n") if e and not e.startswith(":")]
    if not text.endswith("\n\n"):
        return "wrong: cut in the middle of an event"
    data = [e.removeprefix("data: ") for e in events]
    finished = errors = 0
    for line in data:
        if line == "[DONE]":
            continue
        event = json.loads(line)
        errors += bool(event.get("error"))
        finished += sum(1 for c in event.get("choices", ()) if c.get("finish_reason"))
    done = data.count("[DONE]")
    if finished == 1 and not errors and done == 1 and data[-1] == "[DONE]":
        return "answer"
    if errors == 1 and not finished and "error" in (data[-1] if done == 0 else data[-2]) and done <= 1:
        return "error event"
    return f"wrong: {finished} finishes, {errors} errors, {done} [DONE] in {len(data)} events"


def judge(status, headers, body):
    if status == 200 and headers.get("Content-Type", "").startswith("text/event-stream"):
        return judge_stream(body.decode())
    value = json.loads(body)
    if status == 200:
        return "answer" if value["choices"][0]["finish_reason"] else "wrong: an answer without a finish_reason"
    if "error" in value and value["error"]["message"]:
        return f"error {status}" if status != 500 else f"wrong: a 500: {value['error']['message']}"
    return f"wrong: status {status} without an error object"


def ask(ends, port, body, proxy=None, timeout=60):
    """One request on a connection of its own, to the server or through the proxy, and its end."""
    request_id = f"chaos-{next(numbers)}"
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port if proxy else port, timeout=timeout)
    own_port = None
    try:
        connection.connect()
        own_port = connection.sock.getsockname()[1]
        connection.request("POST", "/v1/chat/completions", json.dumps(body),
                           {"Content-Type": "application/json", "X-Request-Id": request_id})
        response = connection.getresponse()
        data = response.read()
        kind = judge(response.status, response.headers, data)
        ends.add(request_id, kind, data[-300:])
        return kind
    except (OSError, http.client.HTTPException, ValueError) as error:
        cut = proxy is not None and own_port in proxy.cut
        kind = "cut by the proxy" if cut else f"wrong: {error!r}"
        ends.add(request_id, kind)
        return kind
    finally:
        connection.close()


class Load:
    """Threads that ask one after another until they are told to stop. `bodies` makes a request from a random source."""

    def __init__(self, ends, port, bodies, threads, proxy=None, seed=0, pause=0.0):
        self.ended = threading.Event()

        def run(number):
            dice = random.Random(seed * 1000 + number)
            while not self.ended.is_set():
                ask(ends, port, bodies(dice), proxy)
                self.ended.wait(pause * dice.random())

        self.threads = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
        for t in self.threads:
            t.start()

    def stop(self):
        self.ended.set()
        for t in self.threads:
            t.join(90)
            assert not t.is_alive(), "a request has no end"
