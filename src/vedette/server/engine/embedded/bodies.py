"""Request bodies: a bounded hand-over from the event loop to the thread that inserts, and decompression."""

from __future__ import annotations

import asyncio
import threading
import zlib
from typing import TYPE_CHECKING

from vedette.server.engine.embedded.failures import Failure
from vedette.server.engine.embedded.requests import NATIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Feed", "Interrupted", "decompressed"]

_BUFFERED_BYTES = 4 * 1024 * 1024
_SLICE_BYTES = 1024 * 1024
# A zstd block of a few bytes may stand for 128 KiB, so little input is given at a time: output stays below 16 MiB.
_ZSTD_PIECE = 512


class Interrupted(Exception):
    """The client went away before the end of its body."""


class Feed:
    """Chunks of a request's body on their way to the thread that inserts them.

    The event loop puts and waits while too much is buffered; the thread iterates.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._condition = threading.Condition()
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._ended = False
        self._interrupted = False
        self._closed = False

    async def put(self, chunk: bytes) -> bool:
        """Add a chunk. False means that the thread wants no more."""
        with self._condition:
            self._chunks.append(chunk)
            self._buffered += len(chunk)
            self._condition.notify()
            full = self._buffered > _BUFFERED_BYTES
            self._room.clear()
        if full and not self._closed:
            await self._room.wait()
        return not self._closed

    def end(self, *, interrupted: bool = False) -> None:
        """There is no more, or there will be no more."""
        with self._condition:
            self._ended = True
            self._interrupted = self._interrupted or interrupted
            self._condition.notify()

    def close(self) -> None:
        """The thread wants no more."""
        self._closed = True
        self._loop.call_soon_threadsafe(self._room.set)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._condition:
                while not self._chunks and not self._ended:
                    self._condition.wait()
                if self._interrupted:
                    raise Interrupted
                if not self._chunks:
                    return
                chunks, self._chunks, self._buffered = self._chunks, [], 0
            self._loop.call_soon_threadsafe(self._room.set)
            yield chunks[0] if len(chunks) == 1 else b"".join(chunks)


def decompressed(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The plain bytes of a body, in slices of bounded size however far it expands.

    Raises:
        Failure: the encoding is unknown, or the body is not what it says.
    """
    if encoding in {"", "identity"}:
        return chunks
    if encoding == NATIVE:
        from vedette.server.engine.embedded.native import unpacked  # noqa: PLC0415 - as below

        return unpacked(chunks)
    if encoding in {"gzip", "deflate"}:
        return _checked(_inflate(chunks, 31 if encoding == "gzip" else 15), encoding)
    if encoding == "zstd":
        return _checked(_zstd(chunks), encoding)
    if encoding == "lz4":
        return _checked(_lz4(chunks), encoding)
    raise Failure(
        48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding!r} is not available: use gzip, deflate, zstd or lz4"
    )


def _checked(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    try:
        yield from chunks
    except (Failure, Interrupted):
        raise
    except Exception as error:  # noqa: BLE001 - each library has its own errors, and all of them mean this
        raise Failure(271, "CANNOT_DECOMPRESS", f"The body is not valid {encoding}: {error}") from None


def _inflate(chunks: Iterator[bytes], window: int) -> Iterator[bytes]:
    decoder = None
    for chunk in chunks:
        pending = chunk
        while pending:
            decoder = decoder or zlib.decompressobj(window)
            if data := decoder.decompress(pending, _SLICE_BYTES):
                yield data
            if decoder.eof:  # members may follow each other
                pending = decoder.unused_data
                decoder = None
            else:
                pending = decoder.unconsumed_tail
    if decoder is not None:
        if data := decoder.flush():
            yield data
        if not decoder.eof:
            raise EOFError("it ends in the middle of a member")


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415 - few requests need it, and an idle engine is to be small

    decoder = None
    for chunk in chunks:
        pending = memoryview(chunk)
        while pending:
            decoder = decoder or zstandard.ZstdDecompressor().decompressobj()
            piece, pending = pending[:_ZSTD_PIECE], pending[_ZSTD_PIECE:]
            if data := decoder.decompress(piece):
                yield data
            if decoder.eof:
                pending = memoryview(decoder.unused_data + bytes(pending))
                decoder = None
    if decoder is not None:
        raise EOFError("it ends in the middle of a frame")


def _lz4(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import lz4.frame  # type: ignore[import-untyped] # noqa: PLC0415 - as above

    decoder = None
    for chunk in chunks:
        pending = chunk
        while pending or (decoder is not None and not decoder.needs_input):
            decoder = decoder or lz4.frame.LZ4FrameDecompressor()
            if data := decoder.decompress(pending, _SLICE_BYTES):
                yield data
            pending = b""
            if decoder.eof:
                pending = decoder.unused_data or b""
                decoder = None
    if decoder is not None:
        raise EOFError("it ends in the middle of a frame")
