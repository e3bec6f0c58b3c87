"""A server that takes what Elasticsearch's bulk API takes, and complains about everything else."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,254}")
_KINDS = re.compile(r"application/(vnd\.elasticsearch\+)?x-ndjson(;.*)?")


@dataclass
class Elasticsearch:
    """Keeps documents by (index, id). `status` answers for a whole request, `decide` for one document."""

    status: int = 200
    decide: Callable[[dict[str, Any]], int] = lambda _document: 201
    documents: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    conflicts: int = 0
    attempts: int = 0
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Elasticsearch:
        elasticsearch = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                named = {name.title(): value for name, value in self.headers.items()}
                status, answer = elasticsearch.answer(self.command, self.path, named, body)
                said = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def do_GET(self) -> None:
                self._handle()

            def do_PUT(self) -> None:
                self._handle()

            def do_POST(self) -> None:
                self._handle()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        self.attempts += 1
        if self.status != 200:
            return self.status, {"error": {"type": "unavailable"}, "status": self.status}
        try:
            items = self._bulk(_checked(method, path, headers, body))
        except (ValueError, KeyError, TypeError) as error:
            self.complaints.append(f"{type(error).__name__}: {error}")
            return 400, {"error": {"type": "illegal_argument_exception", "reason": str(error)}, "status": 400}
        self.headers.append(headers)
        self.queries.append(dict(parse_qsl(urlsplit(path).query, strict_parsing=bool(urlsplit(path).query))))
        self.sizes.append(len(items))
        errors = any(result["status"] >= 300 for item in items for result in item.values())
        return 200, {"took": 1, "errors": errors, "items": items}

    def _bulk(self, body: bytes) -> list[dict[str, Any]]:
        if not body.endswith(b"\n"):
            raise ValueError("the bulk request must be terminated by a newline [\\n]")
        lines = body[:-1].split(b"\n")
        if len(lines) % 2:
            raise ValueError("an action without its source")
        return [self._item(lines[at], lines[at + 1]) for at in range(0, len(lines), 2)]

    def _item(self, action_line: bytes, source_line: bytes) -> dict[str, Any]:
        ((action, about),) = json.loads(action_line).items()
        document = json.loads(source_line)
        index, identity = about["_index"], about["_id"]
        if action not in {"create", "index"} or set(about) - {"_index", "_id"}:
            raise ValueError(f"action {action} {about}")
        if not _NAME.fullmatch(index) or not 0 < len(identity.encode()) <= 512:
            raise ValueError(f"invalid index name or id: {index!r} {identity!r}")
        if not isinstance(document, dict):
            raise TypeError("a document is an object")
        datetime.fromisoformat(document["@timestamp"])
        status = self.decide(document)
        if status < 300 and action == "create" and (index, identity) in self.documents:
            self.conflicts += 1
            status = 409
        if status < 300:
            self.documents[index, identity] = document
            return {action: {"_index": index, "_id": identity, "status": status}}
        kind = {409: "version_conflict_engine_exception", 429: "es_rejected_execution_exception"}
        error = {"type": kind.get(status, "document_parsing_exception"), "reason": "as the test wants it"}
        return {action: {"_index": index, "_id": identity, "status": status, "error": error}}


def _checked(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    if method not in {"POST", "PUT"} or urlsplit(path).path != "/_bulk":
        raise ValueError(f"{method} {path} is no bulk request")
    if not _KINDS.fullmatch(headers.get("Content-Type", "")):
        raise ValueError(f"Content-Type {headers.get('Content-Type')!r}")
    encoding = headers.get("Content-Encoding")
    if encoding not in {None, "gzip"}:
        raise ValueError(f"Content-Encoding {encoding!r}")
    return gzip.decompress(body) if encoding else body
