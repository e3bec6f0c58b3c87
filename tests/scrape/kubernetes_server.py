"""An API server of Kubernetes as its documentation has it: lists in pages, watches with bookmarks, places that are gone."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KINDS = {
    "/api/v1/nodes": "node",
    "/api/v1/namespaces": "namespace",
    "/api/v1/pods": "pod",
    "/api/v1/services": "service",
    "/api/v1/endpoints": "endpoints",
    "/apis/discovery.k8s.io/v1/endpointslices": "endpointslice",
    "/apis/networking.k8s.io/v1/ingresses": "ingress",
}


class _Handler(BaseHTTPRequestHandler):
    outer: KubernetesServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.headers.get("Authorization") != f"Bearer {self.outer.token}":
            self.outer.refused.append(self.path)
            self.send_error(401)
        elif (kind := KINDS.get(parts.path)) is None:
            self.send_error(404)
        elif "watch" in query:
            self.watch(kind, int(query["resourceVersion"]))
        else:
            self.list(kind, int(query.get("continue", "0")))

    def list(self, kind: str, first: int) -> None:
        items = self.outer.objects.get(kind, [])
        facts = {"resourceVersion": str(self.outer.version)}
        if first + 1 < len(items):  # pages of one object
            facts["continue"] = str(first + 1)
        body = json.dumps({"metadata": facts, "items": items[first : first + 1]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def watch(self, kind: str, since: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.tell({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(since)}}})
        while True:
            with self.outer.changed:
                while not (events := [one for one in self.outer.changes.get(kind, []) if one[0] > since]):
                    self.outer.changed.wait()
            for at, event in events:
                self.tell(event)
                since = at
                if event["type"] == "ERROR":
                    return

    def tell(self, event: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(event).encode() + b"\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class KubernetesServer:
    """Objects by kind; `put` and `remove` are told to whoever watches."""

    def __init__(self, objects: dict[str, list[dict[str, Any]]], token: str) -> None:
        self.version = 100
        self.objects = objects
        self.changes: dict[str, list[tuple[int, dict[str, Any]]]] = {kind: [] for kind in objects}
        self.changed = threading.Condition()
        self.refused: list[str] = []
        self.token = token
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"outer": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tell(self, kind: str, type_: str, item: dict[str, Any]) -> None:
        """A change that whoever watches is told."""
        with self.changed:
            self.version += 1
            item.setdefault("metadata", {})["resourceVersion"] = str(self.version)
            self.changes[kind].append((self.version, {"type": type_, "object": item}))
            self.changed.notify_all()

    def forget(self, kind: str) -> None:
        """End watches as a server does whose history is too short: everything is to be listed anew."""
        with self.changed:
            self.version += 1
            error = {"kind": "Status", "code": 410, "message": "too old resource version"}
            self.changes[kind].append((self.version, {"type": "ERROR", "object": error}))
            self.changed.notify_all()
