"""One OTLP request on its way."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Batch", "compressor", "gzipped", "unpacked"]

_GZIP = 31  # zlib's window bits that ask for a gzip header


@dataclass(slots=True)
class Batch:
    """A request's body, ready to send: compressed if `encoding` says so, `count` items of `signal`.

    `key` names the batch for as long as it exists, over retries and restarts, and goes with it as `Idempotency-Key`.
    """

    signal: str
    count: int
    body: bytes
    encoding: str = ""
    key: str = field(default_factory=lambda: uuid4().hex)


def gzipped(body: bytes) -> bytes:
    """`body` in the gzip format, at the level that costs least."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return squeeze.compress(body) + squeeze.flush()


def unpacked(batch: Batch) -> bytes:
    """The body of a batch without its compression."""
    if batch.encoding == "gzip":
        return zlib.decompress(batch.body, _GZIP)
    if batch.encoding == "zstd":
        import zstandard  # noqa: PLC0415 - an optional package

        body: bytes = zstandard.ZstdDecompressor().decompressobj().decompress(batch.body)
        return body
    return batch.body


def _plain(body: bytes) -> bytes:
    return body


def compressor(name: str, host: str) -> tuple[str, Callable[[bytes], bytes]]:
    """The Content-Encoding and the function that a `compression` setting means for requests to `host`.

    `auto` spends no CPU on compression where no network is crossed. `zstd` falls back to gzip without `zstandard`.
    """
    if name == "none" or (name == "auto" and host in {"localhost", "127.0.0.1", "::1"}):
        return "", _plain
    if name == "zstd":
        try:
            import zstandard  # noqa: PLC0415 - an optional package
        except ImportError:
            return "gzip", gzipped
        return "zstd", zstandard.ZstdCompressor(level=1).compress
    return "gzip", gzipped
