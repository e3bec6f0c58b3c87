"""The commands' one way to a running server: its HTTP API, read with the standard library.

Everything that a server sends is data of other people. `inert` makes it safe to print; `reporting` turns whatever
goes wrong into one sentence on standard error and exit code 1.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import typer

from vedette.errors import VedetteError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DEFAULT_URL", "ApiKey", "Client", "Event", "RequestFailed", "ServerUrl", "Tenant", "inert", "reporting"]

DEFAULT_URL: Final = "http://127.0.0.1:7070"

ServerUrl = Annotated[
    str, typer.Option("--url", envvar="VEDETTE_URL", help="Address of the server.", show_default=True)
]
Tenant = Annotated[
    str,
    typer.Option(
        "--tenant", envvar="VEDETTE_TENANT", help="Whose data, where the key may act for several.", show_default=False
    ),
]
ApiKey = Annotated[str, typer.Option("--api-key", envvar="VEDETTE_API_KEY", help="API key.", show_default=False)]

_CHUNK_BYTES: Final = 64 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_RECONNECT_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)

# C0 and C1 controls move the cursor, recolour or retitle the terminal; the bidirectional controls reorder what is
# read; then line separators of some terminals; halves of surrogate pairs cannot be written at all.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)
_NAMED: Final = {"\n": "\\n", "\r": "\\r"}


class RequestFailed(VedetteError):
    """The server could not be reached or answered with an error. `status` is its HTTP status, 0 without an answer."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its id (to resume after), its name and its data."""

    id: str
    name: str
    data: str


def inert(text: str, *, keep_newlines: bool = False) -> str:
    """`text` with every character that a terminal obeys written out instead, as escape sequences of Python."""

    def spelled(match: re.Match[str]) -> str:
        character = match[0]
        if keep_newlines and character == "\n":
            return character
        code = ord(character)
        return _NAMED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")  # noqa: PLR2004 - one byte

    return _UNSAFE.sub(spelled, text)


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Ends the command with one sentence and exit code 1 on an error; quietly when the reader went away."""
    try:
        yield
    except BrokenPipeError:
        # `vedette tail | head`: leave without a second error when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except VedetteError as error:
        typer.echo(f"vedette: {inert(str(error))}", err=True)
        raise typer.Exit(1) from None


class Client:
    """Speaks to one server. Not thread-safe; every request has its own connection.

    Raises:
        RequestFailed: no connection, a connection that broke, or an answer other than 2xx, with the server's sentence.
    """

    def __init__(
        self, url: str = DEFAULT_URL, api_key: str = "", *, tenant: str = "", timeout_seconds: float = 60.0
    ) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        try:
            self._host, self._port = parts.hostname, parts.port
        except ValueError:
            self._host = None
        if parts.scheme not in {"http", "https"} or not self._host:
            raise RequestFailed(f"{url!r} is no server address; it looks like {DEFAULT_URL}.")
        self._secure = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/")
        self._api_key = api_key
        self._tenant = tenant
        self._timeout_seconds = timeout_seconds
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self._prefix}"

    def json(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Any:  # noqa: ANN401 - the document's shape is the route's
        """The decoded JSON answer of a route. Parameters that are None or empty are left out."""
        with self._open(method, path, params, body=body, content_type=content_type) as answer:
            try:
                return json.loads(answer.read())
            except ValueError:
                raise RequestFailed(
                    f"{self._shown} did not answer with JSON; is it a Vedette server?", status=answer.status
                ) from None

    def chunks(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Iterator[bytes]:
        """The answer's bytes as they arrive."""
        with self._open(method, path, params, body=body, content_type=content_type) as answer:
            while chunk := answer.read1(_CHUNK_BYTES):
                yield chunk

    def send(self, path: str, body: bytes, *, content_type: str, content_encoding: str) -> None:
        """Post a body that is encoded already; nothing is expected in return."""
        headers = {"content-encoding": content_encoding}
        with self._open("POST", path, None, body=body, content_type=content_type, headers=headers) as answer:
            answer.read()

    def events(self, path: str, params: Mapping[str, object] | None = None) -> Iterator[Event]:
        """Server-sent events, for ever: a connection that breaks is taken up again after the last event's id.

        The first connection must succeed; later ones are retried, except when the server refuses (4xx).
        """
        last_id, failures, connected = "", 0, False
        while True:
            try:
                headers = {"accept": "text/event-stream"} | ({"last-event-id": last_id} if last_id else {})
                with self._open("GET", path, params, headers=headers) as answer:
                    connected, failures = True, 0
                    for event in _events_of(answer):
                        last_id = event.id or last_id
                        yield event
            except RequestFailed as error:
                if not connected or 400 <= error.status < 500:  # noqa: PLR2004 - the request itself is wrong
                    raise
            time.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
            failures += 1

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None,
        *,
        body: bytes | None = None,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        given = {name: value for name, value in (params or {}).items() if value not in (None, "", [], ())}
        target = self._prefix + quote(path, safe="/%") + (f"?{urlencode(given, doseq=True)}" if given else "")
        sent = {"accept": "*/*", **(headers or {})}
        if body is not None:
            sent["content-type"] = content_type
        if self._api_key:
            sent["authorization"] = f"Bearer {self._api_key}"
        if self._tenant:
            if not self._tenant.isascii() or not self._tenant.isprintable():
                raise RequestFailed(f"{self._tenant!r} is no tenant's name.")
            sent["x-scope-orgid"] = self._tenant
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host or "", self._port, timeout=self._timeout_seconds)
        try:
            connection.request(method, target, body=body, headers=sent)
            answer = connection.getresponse()
            if not 200 <= answer.status < 300:  # noqa: PLR2004 - success
                raise RequestFailed(_sentence(answer), status=answer.status)
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise RequestFailed(
                f"No answer from {self._shown} ({_reason(error)}). Is `vedette serve` running there? "
                "Name another server with --url or VEDETTE_URL."
            ) from None
        finally:
            connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _sentence(answer: http.client.HTTPResponse) -> str:
    """What the server says is wrong: what its document calls so, else its status line."""
    body = answer.read(_MAX_ERROR_BYTES)
    try:
        problem = json.loads(body)
        detail = str(problem.get("detail") or problem.get("error") or _not_ready(problem))
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"The server answered {answer.status} {answer.reason}."
    position = problem.get("position")
    return f"{detail} (character {position + 1})" if isinstance(position, int) else detail


def _not_ready(document: dict[str, Any]) -> str:
    """Which checks of `/readyz` fail."""
    return " ".join(check["detail"] for check in document["checks"].values() if not check["ok"])


def _events_of(answer: http.client.HTTPResponse) -> Iterator[Event]:
    """Parses ``text/event-stream`` (WHATWG HTML, section 9.2) until the connection ends."""
    event_id, name, data = "", "", list[str]()
    for raw in answer:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if data:
                yield Event(event_id, name or "message", "\n".join(data))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id":
            event_id = value
