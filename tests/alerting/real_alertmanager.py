"""A real Alertmanager, one that does what a test says, and the notifier that tells both."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from real_platform import free_port, wait_for

from vedette.server.alerting.notifier import Notifier
from vedette.server.alerting.readings import NotifierReadings
from vedette.server.scrape.config import load_config

if TYPE_CHECKING:
    from collections.abc import Callable

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
USER, PASSWORD = "vedette", "secret"
_HASH = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # of the password, by bcrypt


class Posts:
    """An HTTP server that keeps what is posted to it; answers are statuses, the last one again and again."""

    def __init__(self, *answers: int, port: int = 0) -> None:
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        left = list(answers or [200])
        posts = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                posts.headers.append({name.lower(): value for name, value in self.headers.items()})
                posts.paths.append(self.path)
                posts.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                status = left.pop(0) if len(left) > 1 else left[0]
                said = b"" if status < 300 else b"not now"
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def names(self) -> list[str]:
        """The names of the alerts that were posted, in their order."""
        return [alert["labels"]["alertname"] for body in self.bodies for alert in body]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Alertmanager:
    """Debian's, under a path and behind a password, telling a webhook."""

    def __init__(self, folder: Path) -> None:
        self.webhook = Posts()
        self.port = free_port()
        self.config = {
            "scheme": "http",
            "path_prefix": "/below/it/",
            "basic_auth": {"username": USER, "password": PASSWORD},
            "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}],
        }
        at_once = {"group_wait": "1ms", "group_interval": "1ms", "group_by": ["..."]}
        receiver = {"name": "us", "webhook_configs": [{"url": f"http://{self.webhook.address}/"}]}
        (folder / "alertmanager.yml").write_text(
            json.dumps({"route": {"receiver": "us", **at_once}, "receivers": [receiver]})
        )
        (folder / "web.yml").write_text(json.dumps({"basic_auth_users": {USER: _HASH}}))
        assert ALERTMANAGER is not None
        self._process = subprocess.Popen(
            [
                ALERTMANAGER,
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--web.config.file={folder / 'web.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.route-prefix=/below/it",
                "--cluster.listen-address=",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: self._get("/-/ready"), b"OK", "Alertmanager's readiness")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/below/it/api/v2/alerts"

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it has."""
        return json.loads(self._get("/api/v2/alerts"))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self.webhook.close()

    def _get(self, path: str) -> bytes:
        known = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/below/it{path}", headers={"Authorization": f"Basic {known}"}
        )
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request) as answer:
            return answer.read()
        return b""


@dataclass
class Telling:
    """A notifier that follows a configuration file."""

    file: Path
    notifier: Notifier = field(init=False)
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.notifier = Notifier(lambda: load_config(self.file), capacity=10_000)

    def of(self, *alertmanagers: dict[str, Any], labels: dict[str, str] | None = None, **alerting: Any) -> None:
        """Follow this configuration from now on."""
        config = {"global": {"external_labels": labels or {}}}
        text = json.dumps({**config, "alerting": {"alertmanagers": alertmanagers, **alerting}})
        self.file.with_suffix(".new").write_text(text)
        self.file.with_suffix(".new").rename(self.file)
        self.task = self.task or asyncio.create_task(self.notifier.run())

    def figures(self) -> dict[tuple[str, str], float]:
        """What /metrics has of it, by name and Alertmanager."""
        registry = CollectorRegistry()
        registry.register(NotifierReadings(self.notifier))
        return {
            (one.name.removeprefix("vedette_notifications_"), one.labels.get("alertmanager", "")): one.value
            for family in text_string_to_metric_families(generate_latest(registry).decode())
            for one in family.samples
        }

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


async def until(look: Callable[[], object], expected: object) -> None:
    """Look again and again until there is what is expected, while the notifier works."""
    while True:
        seen = await asyncio.to_thread(look)
        if seen == expected:
            return
        await asyncio.sleep(0.02)
