"""What a request asks for: query string and headers of ClickHouse's HTTP interface."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from vedette.server.engine.embedded.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NATIVE", "Access", "Request", "authenticate", "read_request"]

NATIVE = "native"
"""ClickHouse's own compression, see `native.py`; it is no HTTP encoding."""

_SETTING_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*", re.ASCII)
# Parameters of the interface that are no settings and that this engine has no use for.
_IGNORED = frozenset(
    {"user", "password", "quota_key", "role", "buffer_size", "client_protocol_version", "stacktrace", "session_timeout"}
)
_FALSE = frozenset({b"", b"0", b"false"})
_MAX_QUERY_ID = 256
_LONGEST_KEPT = 8192


@dataclass(frozen=True, slots=True)
class Access:
    """What callers of one listening socket may do.

    `credentials` are ``user:password`` in bytes, or None where no password is asked for. `readonly` makes every
    statement read-only. `local_names` are the Host names that are answered when there is no password, so that a web
    page cannot reach the engine by a name of its own.
    """

    credentials: bytes | None = None
    readonly: bool = False
    local_names: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its body aside."""

    query: bytes
    query_id: str
    settings: dict[str, bytes]
    readonly: bytes
    database: str | None
    default_format: str | None
    session_id: str | None
    session_check: bool
    close_session: bool
    whole: bool  # wait_end_of_query: nothing is sent before the statement has ended
    compression: str | None  # of the answer: an HTTP encoding, or NATIVE
    encoding: str  # of the body: the same, or empty


def read_request(path: str, headers: Mapping[str, str], *, method: str, access: Access) -> Request:
    """Read the query string and the headers.

    Raises:
        Failure: a malformed setting name, or an option that this engine does not have.
    """
    fields = _fields(path.partition("?")[2])
    settings = {}
    for name, value in fields.items():
        if name in _KNOWN or name in _IGNORED:
            continue
        if not _SETTING_NAME.fullmatch(name):
            raise Failure(115, "UNKNOWN_SETTING", f"Setting {name} is neither a builtin setting nor a parameter")
        settings[name] = value
    if headers.get("Content-Type", "").startswith("multipart/"):
        raise Failure(48, "NOT_IMPLEMENTED", "Multipart bodies (external tables) are not available here")
    readonly = settings.pop("readonly", b"0")
    if access.readonly:
        readonly = b"1"
    elif readonly == b"0" and method != "POST":
        readonly = b"2"  # as in ClickHouse, GET changes nothing but may bring settings
    query_id = _text(fields.get("query_id", b"")) or uuid.uuid4().hex
    if len(query_id) > _MAX_QUERY_ID:
        raise Failure(36, "BAD_ARGUMENTS", f"A query_id has at most {_MAX_QUERY_ID} characters")
    compression = None
    if fields.get("compress", b"0") not in _FALSE:
        compression = NATIVE
    elif settings.get("enable_http_compression", b"0") not in _FALSE:
        compression = _accepted(headers.get("Accept-Encoding", ""))
    decompress = fields.get("decompress", b"0") not in _FALSE
    return Request(
        query=fields.get("query", b""),
        query_id=query_id,
        settings=settings,
        readonly=readonly,
        database=_text(fields.get("database", b"")) or headers.get("X-ClickHouse-Database"),
        default_format=_text(fields.get("default_format", b"")) or headers.get("X-ClickHouse-Format"),
        session_id=_text(fields.get("session_id", b"")) or None,
        session_check=fields.get("session_check", b"0") not in _FALSE,
        close_session=fields.get("close_session", b"0") not in _FALSE,
        whole=fields.get("wait_end_of_query", b"0") not in _FALSE,
        compression=compression,
        encoding=NATIVE if decompress else headers.get("Content-Encoding", "").strip().lower(),
    )


def authenticate(access: Access, path: str, headers: Mapping[str, str]) -> None:
    """Check the caller against what its listening socket asks for.

    Raises:
        Failure: wrong or missing credentials, or a request that a web page made.
    """
    if access.local_names is not None:
        host = headers.get("Host", "").lower()
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        if "Origin" in headers or (host and name not in access.local_names):
            raise Failure(516, "AUTHENTICATION_FAILED", "Web pages may not use this port: it has no password")
    if access.credentials is None:
        return
    given = _credentials(path, headers)
    if given is None:
        raise Failure(194, "REQUIRED_PASSWORD", "A user and a password are required")
    if not hmac.compare_digest(given, access.credentials):
        raise Failure(516, "AUTHENTICATION_FAILED", "Authentication failed: password is incorrect or no such user")


def _credentials(path: str, headers: Mapping[str, str]) -> bytes | None:
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        user = headers.get("X-ClickHouse-User", "default")
        return f"{user}:{headers.get('X-ClickHouse-Key', '')}".encode("utf-8", "surrogateescape")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
    fields = _fields(path.partition("?")[2])
    if "password" in fields:
        return fields.get("user", b"default") + b":" + fields["password"]
    return None


_KNOWN = frozenset(
    {
        "query",
        "query_id",
        "database",
        "default_format",
        "session_id",
        "session_check",
        "close_session",
        "wait_end_of_query",
        "compress",
        "decompress",
    }
)


def _fields(query_string: str) -> dict[str, bytes]:
    fields = {}
    for pair in query_string.split("&"):
        name, _, value = pair.partition("=")
        if name:
            fields[_text(_unquote(name))] = _unquote(value)
    return fields


def _unquote(text: str) -> bytes:
    # Settings come again and again, and those of a tenant are long; a statement comes once.
    return _unquoted(text) if len(text) <= _LONGEST_KEPT else unquote_to_bytes(text.replace("+", " "))


@lru_cache(maxsize=1024)
def _unquoted(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " "))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _accepted(header: str) -> str | None:
    """The compression to answer with, of those that the client accepts; the engine compresses by itself."""
    offered = {
        part.partition(";")[0].strip().lower() for part in header.split(",") if "q=0" not in part.replace("q=0.", "")
    }
    return next((name for name in ("zstd", "lz4", "br", "gzip", "deflate") if name in offered), None)
