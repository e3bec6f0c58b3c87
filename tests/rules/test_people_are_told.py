"""From a target's number to a person: scraped, evaluated, told to Debian's Alertmanager, which tells a receiver.

Debian's Prometheus does the same beside it, with the same configuration, for an Alertmanager of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from real_platform import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALERTMANAGER, PROMETHEUS = shutil.which("prometheus-alertmanager"), shutil.which("prometheus")
needs_both = pytest.mark.skipif(
    not (ALERTMANAGER and PROMETHEUS),
    reason="needs Debian's packages prometheus and prometheus-alertmanager",
)
RULES = {
    "groups": [
        {
            "name": "rooms",
            "interval": "1s",
            "rules": [
                {
                    "alert": "Hot",
                    "expr": "heat > 80",
                    "for": "2s",
                    "labels": {"severity": "page", "region": "own"},
                    "annotations": {
                        "summary": "{{ $labels.room }} has {{ $value | humanize }} degrees in {{ $externalLabels.region }}",
                        "odd": 'ü "quoted"\n',
                    },
                },
                {"alert": "Hidden", "expr": "heat > 80"},
                {"alert": "Cold", "expr": "heat < 0"},
            ],
        }
    ]
}


class House:
    """A target that tells how hot its rooms are, and a receiver that is told of it."""

    def __init__(self) -> None:
        self.heat, self.told = {"a": 1234.5, "b": 20.0}, []
        house = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join([f'heat{{room="{room}"}} {value}\n' for room, value in house.heat.items()]).encode()
                self.answer(body)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                house.told.append([(one["status"], one["labels"]["alertname"]) for one in body["alerts"]])
                self.answer(b"")

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextmanager
def process(*command: str, ready: str) -> Iterator[None]:
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: urllib.request.urlopen(ready).status, 200, ready)
        yield
    finally:
        running.kill()
        running.wait()


@contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """The address of one that tells `receiver` at once and never again."""
    folder.mkdir()
    told = {"name": "all", "webhook_configs": [{"url": f"http://{receiver}/", "send_resolved": True}]}
    route = {"receiver": "all", "group_wait": "100ms", "group_interval": "100ms", "repeat_interval": "4h"}
    (folder / "alertmanager.yml").write_text(json.dumps({"route": route, "receivers": [told]}))
    address = f"127.0.0.1:{free_port()}"
    flags = [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data", "--cluster.listen-address="]
    assert ALERTMANAGER
    with process(ALERTMANAGER, *flags, f"--web.listen-address={address}", ready=f"http://{address}/-/ready"):
        yield address


def configuration(folder: Path, target: str, *told: str) -> str:
    """A Prometheus' configuration file, with its rules beside it."""
    folder.mkdir()
    (folder / "rules.yml").write_text(json.dumps(RULES))
    hidden = {"source_labels": ["alertname"], "regex": "Hidden", "action": "drop"}
    config = {
        "global": {
            "scrape_interval": "1s",
            "evaluation_interval": "1s",
            "external_labels": {"region": "x", "site": "y"},
        },
        "scrape_configs": [{"job_name": "house", "static_configs": [{"targets": [target]}]}],
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {
            "alert_relabel_configs": [hidden],
            "alertmanagers": [{"static_configs": [{"targets": list(told)}]}],
        },
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    return str(folder / "prometheus.yml")


def alerts(address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://{address}/api/v2/alerts") as answer:
        found = json.load(answer)
    return [{"labels": one["labels"], "annotations": one["annotations"]} for one in found]


@needs_both
def test_somebody_is_told_once_that_it_began_and_once_that_it_is_over(make_platform, tmp_path):
    house, other = House(), House()
    assert PROMETHEUS
    with alertmanager(tmp_path / "ours", house.address) as ours, alertmanager(tmp_path / "its", other.address) as its:
        config = configuration(tmp_path / "prometheus", other.address, its)
        port = free_port()
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with process(PROMETHEUS, *flags, ready=f"http://127.0.0.1:{port}/-/ready"):
            closed = f"127.0.0.1:{free_port()}"
            config = configuration(tmp_path / "vedette", house.address, ours, closed)
            platform = make_platform("--scrape-config", config)
            wait_for(lambda: (len(house.told), len(other.told)), (1, 1), "the receivers")
            [found], [expected] = alerts(ours), alerts(its)
        expected["labels"]["instance"] = house.address  # each has a house of its own
        assert found == expected
        assert found["annotations"]["summary"] == "a has 1.234k degrees in x"
        assert found["labels"]["site"] == "y"
        assert house.told == [[("firing", "Hot")]]

        # A crash: nobody hears of it, not even when what fired is over meanwhile.
        for name in ("worker", "server", "engine"):
            platform.kill(name)
        os.kill(platform.process.pid, signal.SIGKILL)
        platform.process.wait()
        house.heat["a"] = 20.0
        platform.start()
        wait_for(lambda: house.told[1:], [[("resolved", "Hot")]], "the receiver")
        told = platform.request("/prometheus/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]
        assert told[0] == {"url": f"http://{ours}/api/v2/alerts"}
        assert told[1]["url"] == f"http://{closed}/api/v2/alerts"
        assert "onnect" in told[1]["lastError"]
        path, stranger = "/prometheus/api/v1/alertmanagers", {"X-Scope-OrgID": "another"}
        assert platform.request(path, headers=stranger).json()["data"]["activeAlertmanagers"] == []
        sent = f'vedette_notifications_sent_total{{alertmanager="http://{ours}/api/v2/alerts"}}'
        assert sent in platform.request("/metrics").body.decode()
        assert house.told == [[("firing", "Hot")], [("resolved", "Hot")]]
