"""A hub on loopback, by the published rules of Hugging Face, ModelScope and Ollama: an API with files' sizes and
checksums, and a second host to which large files are redirected. It can misbehave."""
import functools
import hashlib
import http.server
import json
import re
import ssl
import threading
import time
import urllib.parse


@functools.lru_cache
def sha256(data):
    return hashlib.sha256(data).hexdigest()


@functools.lru_cache
def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """Serves `files` ({name: bytes}) as org/model. `faults` are done by the next requests for large files, one each:
    a status, "cut", "corrupt", "stall", or "whole" (no ranges)."""

    def __init__(self, files, rate=None, certificate=None):
        self.files, self.rate, self.faults, self.always = files, rate, [], None
        self.commit = hashlib.sha1(repr(sorted((k, sha256(v)) for k, v in files.items())).encode()).hexdigest()
        self.seen, self.sent, self.lock = [], 0, threading.Lock()
        self.api, self.store = (self.serve(kind, certificate) for kind in ("api", "store"))

    def serve(self, kind, certificate):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                with hub.lock:
                    hub.seen.append((kind, self.command, self.path, dict(self.headers)))
                try:
                    hub.store_answer(self) if kind == "store" else hub.api_answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
            do_HEAD = do_GET

            def give(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.send_header("Content-Length", headers.get("length", len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        server = Quiet(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    @property
    def url(self):
        return self.api.url

    def close(self):
        for server in (self.api, self.store):
            server.shutdown()
            server.server_close()

    @staticmethod
    def is_large(name):
        return name.endswith((".gguf", ".safetensors"))

    def sibling(self, name, data):
        out = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
        if self.is_large(name):
            out["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 134}
        return out

    def api_answer(self, request):
        path = urllib.parse.urlsplit(request.path).path
        if re.fullmatch(r"/api/models/org/model/revision/\w+", path):
            siblings = [self.sibling(*f) for f in self.files.items()]
            return request.give(200, json.dumps({"sha": self.commit, "siblings": siblings}).encode())
        if m := re.fullmatch(r"/org/model/resolve/\w+/(.+)", path):
            name = urllib.parse.unquote(m[1])
            if name not in self.files:
                return request.give(404, X_Error_Code="EntryNotFound", X_Repo_Commit=self.commit)
            data = self.files[name]
            if not self.is_large(name):
                return request.give(200, data, ETag=f'"{git_sha1(data)}"', X_Repo_Commit=self.commit)
            return request.give(302, ETag=f'"{sha256(data)}"', X_Linked_ETag=f'"{sha256(data)}"',
                                X_Linked_Size=len(data), X_Repo_Commit=self.commit,
                                Location=f"{self.store.url}/{sha256(data)}")
        if path == "/api/v1/models/org/model/repo/files":
            files = [{"Type": "blob", "Path": n, "Size": len(d), "Sha256": sha256(d)} for n, d in self.files.items()]
            return request.give(200, json.dumps({"Code": 200, "Data": {"Files": files}}).encode())
        if path == "/api/v1/models/org/model/repo":
            name = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)["FilePath"][0]
            return request.give(302, Location=f"{self.store.url}/{sha256(self.files[name])}")
        if path == "/v2/library/model/manifests/1b":
            layers = [{"mediaType": "application/vnd.ollama.image." + ("model" if self.is_large(n) else n),
                       "digest": "sha256:" + sha256(d), "size": len(d)} for n, d in self.files.items()]
            return request.give(200, json.dumps({"schemaVersion": 2, "layers": layers}).encode())
        if m := re.fullmatch(r"/v2/library/model/blobs/sha256:(\w+)", path):
            return request.give(307, Location=f"{self.store.url}/{m[1]}")
        request.give(404, b"nothing")

    def store_answer(self, request):
        data = next(d for d in self.files.values() if "/" + sha256(d) == request.path)
        with self.lock:
            fault = self.faults.pop(0) if self.faults else self.always
        if isinstance(fault, int):
            return request.give(fault, b"not now", **({"Retry_After": 0} if fault == 429 else {}))
        first, last, status = 0, len(data) - 1, 200
        if fault != "whole" and (m := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))):
            first, last, status = int(m[1]), int(m[2] or last), 206
        piece = data[first:last + 1]
        if fault == "corrupt":
            piece = bytes([piece[0] ^ 1]) + piece[1:]
        request.send_response(status)
        request.send_header("Content-Length", len(piece))
        if status == 206:
            request.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        request.end_headers()
        if request.command == "HEAD":
            return
        step = 64 << 10
        for at in range(0, len(piece), step):
            if fault in ("cut", "stall") and at >= len(piece) // 2:
                if fault == "stall":
                    time.sleep(3)
                request.close_connection = True
                return
            request.wfile.write(piece[at:at + step])
            with self.lock:
                self.sent += min(step, len(piece) - at)
            if self.rate:
                time.sleep(step / self.rate)
