"""A TCP proxy between a client and the server that does to bytes what networks do: it hands them on in fragments, late, and
now and then resets the connection. Which connections it reset is known by the clients' ports."""
import contextlib
import random
import socket
import struct
import threading
import time


class Proxy:
    """Listens on a free loopback port. `resets` is the share of connections that it resets after some answer bytes."""

    def __init__(self, port, seed, resets=0.1, delay=0.01):
        self.target, self.resets, self.delay = port, resets, delay
        self.dice = random.Random(seed)
        self.cut, self.threads, self.closing = set(), [], False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while not self.closing:
            try:
                client, address = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=30)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.settimeout(60)
            budget = self.dice.randrange(1, 3000) if self.dice.random() < self.resets else None
            dice = random.Random(self.dice.random())
            for source, sink, cut in ((client, server, None), (server, client, budget)):
                threading.Thread(target=self.pump, args=(source, sink, cut, address[1], client, server, dice),
                                 daemon=True).start()

    def pump(self, source, sink, budget, port, client, server, dice):
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(dice.choice((1, 7, 100, 4096, 65536))):
                while data:
                    size = dice.choice((1, 3, 50, 1400, len(data)))
                    piece, data = data[:size], data[size:]
                    if dice.random() < 0.1:
                        time.sleep(dice.random() * self.delay)
                    if budget is not None and (budget := budget - len(piece)) <= 0:
                        self.cut.add(port)
                        for end in (client, server):  # a linger of 0 seconds makes close() a reset
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            end.shutdown(socket.SHUT_RD)
                            end.close()
                        return
                    sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
            return
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(5)
