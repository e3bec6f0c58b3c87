"""The pages: files of the built user interface, served compressed as they were built, under a strict policy.

Every file but the document carries a hash of its content in its name and may be kept forever. The document is small
and never kept: it carries a nonce that is new for every answer, which is what the style sheets that components make at
run time need under the content security policy. No script runs that is not one of these files. The document also names
the files of the page that is asked for, so that the browser fetches them together with those of every page.
"""

from __future__ import annotations

import json
import mimetypes
import secrets
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

__all__ = ["STATIC_FOLDER", "Pages"]

STATIC_FOLDER: Final = Path(__file__).parent / "static"
"""Where the build hook writes the pages."""

_NOT_PAGES: Final = frozenset(
    {
        *("api", "jaeger", "prometheus", "elastic", "loki", "alertmanager", "mcp", "v1"),
        *("metrics", "healthz", "readyz", "assets", "favicon.svg"),
    }
)
"""First parts of paths that are no page: what is not found under them is not found."""

_NONCE_MARK: Final = b"__NONCE__"
_HEAD_END: Final = b"</head>"
_PAGES: Final = "pages.json"
"""Which files each page has besides those of all pages: a list by path, where a part that begins with `$` is any."""
_ENCODINGS: Final = ((b"br", ".br"), (b"gzip", ".gz"))
_COMMON_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_MISSING: Final = (
    b"<!doctype html><title>Vedette</title><p>The pages were not built into this installation. The API works; "
    b"run <code>make setup</code> in a clone, or install the wheel, to have the pages."
)

Headers = list[tuple[bytes, bytes]]


def _policy(nonce: str) -> bytes:
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
        "connect-src 'self'; font-src 'self'; img-src 'self' data: blob:; manifest-src 'self'; script-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; worker-src 'self'"
    ).encode()


class Pages:
    """An ASGI application that answers with pages and their files, and hands everything else to `otherwise`."""

    def __init__(self, otherwise: Callable[[Any, Any, Any], Awaitable[None]], folder: Path = STATIC_FOLDER) -> None:
        self._otherwise = otherwise
        self._folder = folder
        self._pages = _pages(folder)
        self._files = {
            f"/{path.relative_to(folder).as_posix()}"
            for path in folder.rglob("*")
            if path.is_file()
            and path.suffix not in {".br", ".gz"}
            and path.name not in {"index.html", ".stamp", _PAGES}
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._otherwise(scope, receive, send)
            return
        path = scope["path"]
        if path in self._files:
            headers, body = self._file(path, _accepted(scope))
        elif path.split("/", 2)[1] not in _NOT_PAGES:
            headers, body = self._document(path)
        else:
            await self._otherwise(scope, receive, send)
            return
        headers += [(b"content-length", str(len(body)).encode()), *_COMMON_HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _file(self, path: str, accepted: frozenset[bytes]) -> tuple[Headers, bytes]:
        media = mimetypes.guess_type(path)[0] or "application/octet-stream"
        charset = "; charset=utf-8" if media.startswith("text/") else ""
        lasting = path.startswith("/assets/")
        headers: Headers = [
            (b"content-type", f"{media}{charset}".encode()),
            (b"cache-control", b"public, max-age=31536000, immutable" if lasting else b"public, max-age=3600"),
            (b"vary", b"accept-encoding"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        ]
        for name, suffix in _ENCODINGS:
            if name in accepted and (packed := _read(self._folder / f"{path[1:]}{suffix}")) is not None:
                return [*headers, (b"content-encoding", name)], packed
        return headers, _read(self._folder / path[1:]) or b""

    def _document(self, path: str) -> tuple[Headers, bytes]:
        nonce = secrets.token_urlsafe(18)
        document = _read(self._folder / "index.html") or _MISSING
        parts = path.rstrip("/").split("/")
        links = next((links for page, links in self._pages if _fits(page, parts)), b"")
        headers: Headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", _policy(nonce)),
        ]
        return headers, document.replace(_HEAD_END, links + _HEAD_END).replace(_NONCE_MARK, nonce.encode())


def _pages(folder: Path) -> list[tuple[list[str], bytes]]:
    """Every page's path in parts, and what names its files in a document."""
    listed = json.loads(_read(folder / _PAGES) or b"{}")
    return [(path.rstrip("/").split("/"), "".join(map(_link, files)).encode()) for path, files in listed.items()]


def _link(file: str) -> str:
    relation = "stylesheet" if file.endswith(".css") else "modulepreload"
    return f'<link rel="{relation}" crossorigin href="/{file}">'


def _fits(page: list[str], parts: list[str]) -> bool:
    return len(page) == len(parts) and all(
        own == asked or own.startswith("$") for own, asked in zip(page, parts, strict=True)
    )


def _accepted(scope: MutableMapping[str, Any]) -> frozenset[bytes]:
    """The encodings that the client takes; one with `q=0` is one that it does not."""
    offers = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").split(b",")
    parted = (offer.lower().replace(b" ", b"").partition(b";") for offer in offers)
    return frozenset(name for name, _, weight in parted if weight.rstrip(b"0").rstrip(b".") != b"q=")


@lru_cache(maxsize=512)
def _read(path: Path) -> bytes | None:
    """A file's bytes, kept: the whole build is a few megabytes."""
    try:
        return path.read_bytes()
    except OSError:
        return None
