"""What a process holds, sampled over time."""
import collections
import contextlib
import os
import pathlib
import statistics
import threading
import time


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def fds(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def open_files(pid):
    """How many of each kind; sockets by family."""
    out, families = collections.Counter(), {}
    for name in ("unix", "tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            families[fields[6 if name == "unix" else 9]] = name if name == "unix" else f"{name} {fields[3]}"
    for file in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(file)
            kind, _, inode = target.partition(":[")
            out[families.get(inode[:-1], kind) if kind == "socket" else kind] += 1
    return dict(out)


def children(pid):
    """Its child processes with their states ("S", "Z", ...)."""
    out = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        fields = rest.split()
        if int(fields[1]) == pid:
            out[int(stat.parent.name)] = fields[0]
    return out


def slope(points):
    """Least squares: growth of the second value by unit of the first."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Sampler:
    """(seconds, RSS in KiB, open files) of a process, every `every` seconds."""

    def __init__(self, pid, every=0.5):
        self.points, self.ended = [], threading.Event()
        begin = time.monotonic()

        def run():
            while not self.ended.wait(every):
                try:
                    self.points.append((time.monotonic() - begin, rss_kib(pid), fds(pid)))
                except OSError:
                    return

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join(5)
        return self.points

    def rss(self, warm_up=0.4):
        """(slope in KiB/s, noise: half the spread of the samples) behind the warm-up's share."""
        end = self.points[-1][0]
        late = [(t, rss) for t, rss, _ in self.points if t >= warm_up * end]
        grown = slope(late)
        rest = [rss - grown * t for t, rss in late]
        return grown, (max(rest) - min(rest)) / 2
