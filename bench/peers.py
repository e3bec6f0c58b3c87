"""Prometheus and VictoriaMetrics as Debian packages them, on ports and in directories of their own, beside the platform."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from bench.platform import Platform, free_port

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Connection(http.client.HTTPConnection):
    """Sends the head and the body of a request in one piece, as Go's and the browsers' clients do."""

    _pieces: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the class above has them
        """See `HTTPConnection`."""
        self._pieces = []
        try:
            super().request(*args, **kwargs)
            pieces = self._pieces
        finally:
            self._pieces = None
        self.send(b"".join(pieces))

    def send(self, data: Any) -> None:  # noqa: ANN401 - the class above has it
        """See `HTTPConnection`."""
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)


class Peer:
    """A server that takes remote write and answers PromQL. Use as a context manager; the directory goes at the end."""

    name = ""
    prefix = ""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-"))
        self._connection = _Connection("127.0.0.1", self.port, timeout=600)

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                self.ask("query", query="1")
            except (OSError, ValueError):
                self._connection.close()
                time.sleep(0.1)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, packed: bytes) -> int:
        """Send one request of remote write; its status."""
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        return self._post(f"{self.prefix}/api/v1/write", packed, headers)[0]

    def ask(self, path: str, **form: object) -> bytes:
        """The body of an answer, as it came."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, body = self._post(f"{self.prefix}/api/v1/{path}", urlencode(form).encode(), headers)
        if status != 200:
            raise ValueError(f"{self.name}: {status} {body[:300]!r}")
        return body

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """One request, once more where the server had closed the connection in between."""
        for is_last in (False, True):
            try:
                self._connection.request("POST", path, body, headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read()
            except ConnectionError:
                self._connection.close()
                if is_last:
                    raise
        raise AssertionError("unreachable")

    def vector(self, query: str, at: float) -> list[Any]:
        result: list[Any] = json.loads(self.ask("query", query=query, time=at))["data"]["result"]
        return result

    def cpu_seconds(self) -> float:
        return _usage(self._process.pid)[0]

    def resident_bytes(self) -> int:
        return _usage(self._process.pid)[1]

    def settle(self) -> None:
        """Bring what is in memory to the disk."""

    def disk_bytes(self) -> int:
        """What the samples and their index take, once settled."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


class Prometheus(Peer):
    """Debian's Prometheus."""

    name = "prometheus"

    def command(self) -> list[str]:
        (self.folder / "prometheus.yml").write_text("{}\n")
        flags = ["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--query.max-samples=200000000"]
        flags += ["--query.timeout=10m"]
        flags += [f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/db"]
        return ["prometheus", f"--web.listen-address=127.0.0.1:{self.port}", *flags]

    def settle(self) -> None:
        self.ask("admin/tsdb/snapshot")

    def disk_bytes(self) -> int:
        """Blocks alone: a snapshot holds what is still in memory as blocks, too."""
        snapshots = self.folder / "db" / "snapshots"
        return sum(path.stat().st_size for path in snapshots.rglob("*") if path.is_file())


class VictoriaMetrics(Peer):
    """Debian's VictoriaMetrics, its cache of answers off."""

    name = "victoria-metrics"

    def command(self) -> list[str]:
        flags = [f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={self.folder}/db"]
        flags += ["-search.maxPointsPerTimeseries=100000", "-search.disableCache", "-retentionPeriod=100y"]
        flags += ["-search.maxQueryDuration=10m"]
        return ["victoria-metrics", *flags]

    def settle(self) -> None:
        for path in ("/internal/force_flush", "/internal/force_merge"):
            self._connection.request("GET", path)
            self._connection.getresponse().read()
        time.sleep(5)

    def disk_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.folder / "db").rglob("*") if path.is_file())


class Vedette(Peer):
    """The platform."""

    name = "vedette"
    prefix = "/prometheus"

    def __init__(self, *flags: str) -> None:
        self.platform = Platform(*flags)
        super().__init__()

    def __enter__(self) -> Self:
        self.platform.__enter__()
        self._connection = _Connection("127.0.0.1", self.platform.port, timeout=600)
        return self

    def __exit__(self, *_: object) -> None:
        self.platform.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_seconds(self) -> float:
        return self.platform.cpu_seconds()

    def resident_bytes(self) -> int:
        return sum(size for _, size in self.platform.processes().values())

    def engine(self, statement: str) -> str:
        """An answer of the engine, past the API."""
        connection = http.client.HTTPConnection("localhost")
        import socket  # noqa: PLC0415 - of this method alone

        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.platform.data_dir / "engine.sock"))
        connection.request("POST", "/", statement)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer.strip()

    def loaded(self, samples: int) -> None:
        """Wait until the tables hold so many samples."""
        while int(self.engine("SELECT count() FROM vedette.samples")) < samples:
            time.sleep(0.5)

    def settle(self) -> None:
        for table in ("samples", "series"):
            self.engine(f"OPTIMIZE TABLE vedette.{table} FINAL")

    def disk_bytes(self) -> int:
        tables = "('samples', 'series')"
        where = f"active AND database = 'vedette' AND table IN {tables}"
        return int(self.engine(f"SELECT sum(bytes_on_disk) FROM system.parts WHERE {where}"))


def _usage(process: int) -> tuple[float, int]:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE
