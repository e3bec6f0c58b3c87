"""What the tables hold, asked of the engine itself: every tenant's rows, as only the operator's socket shows them."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlencode

from real_platform import PlatformEnded, wait_for

__all__ = ["ask", "engine_rows", "until"]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def ask(platform, statement: str) -> list[dict[str, Any]]:
    """Rows of a statement over the physical tables; OSError while the engine is away."""
    connection = _UnixConnection(str(platform.data_dir / "engine.sock"))
    try:
        query = {
            "database": "vedette",
            "default_format": "JSONEachRow",
            "output_format_json_quote_64bit_integers": "0",
        }
        connection.request("POST", f"/?{urlencode(query)}", statement.encode())
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"the engine broke off: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"the engine answered {answer.status}: {body[:500]!r}")
    return [json.loads(line) for line in body.splitlines()]


def until(platform, statement: str, expected: object) -> None:
    """Wait until the first column of the first row is `expected`; fail if the platform ends before."""

    def first() -> object:
        if (status := platform.process.poll()) is not None:
            raise PlatformEnded(f"exit status {status}\n{platform.log}")
        rows = ask(platform, statement)
        return next(iter(rows[0].values())) if rows else None

    wait_for(first, expected, statement, platform.rest())


def engine_rows(platform, table: str, condition: str = "1") -> int:
    """How many rows a table holds."""
    return int(ask(platform, f"SELECT count() AS n FROM {table} WHERE {condition}")[0]["n"])
