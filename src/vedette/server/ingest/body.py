"""Request bodies, read within bounds: of size, of time, and of what they unpack to."""

from __future__ import annotations

import asyncio
import time
import zlib
from typing import TYPE_CHECKING, Any

import zstandard

from vedette.errors import InvalidInput, TooLarge, UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Patience", "read_body", "unpack"]

_STEP_BYTES = 1 << 20
_THREAD_BYTES = 256 << 10
_ZSTD_WINDOW_BYTES = 8 << 20  # what RFC 9659 allows on the web


class Patience:
    """A bound on how long a request waits for the next piece of its body.

    One timer looks after all requests, a few times within the bound: a timer for each wait would cost a small request
    a tenth of its time.

    Args:
        seconds: The bound. A wait may last a quarter longer, and a second at most.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._every = min(1.0, seconds / 4)
        self._waiting: dict[asyncio.Task[Any], float] = {}
        self._spent: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Task[Any]:
        """The current task waits from now on; it is cancelled when it has waited too long."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a request is handled in a task
        self._waiting[task] = time.monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every, self._look)
        return task

    def again(self, task: asyncio.Task[Any]) -> None:
        """Something has come: the wait begins anew."""
        self._waiting[task] = time.monotonic()

    def end(self, task: asyncio.Task[Any]) -> None:
        """The task waits no more."""
        self._waiting.pop(task, None)
        self._spent.discard(task)

    async def wait(self, receive: Callable[[], Awaitable[Any]], size: int) -> Any:  # noqa: ANN401 - ASGI's message
        """What `receive` gives, `size` bytes of a body having come before.

        Raises:
            InvalidInput: The client stalled.
        """
        task = self.begin()
        try:
            return await receive()
        except asyncio.CancelledError:
            if not self.is_spent(task):
                raise
            raise self.stalled(size) from None
        finally:
            self.end(task)

    def stalled(self, size: int) -> InvalidInput:
        """What is said to whom `is_spent` is true of."""
        return InvalidInput(f"The body stopped arriving: nothing came for {self.seconds:.0f} s after {size} bytes.")

    def is_spent(self, task: asyncio.Task[Any]) -> bool:
        """Whether the task was cancelled because it had waited too long; the cancellation is taken back."""
        if task not in self._spent:
            return False
        task.uncancel()
        return True

    def _look(self) -> None:
        oldest = time.monotonic() - self.seconds
        for task in [task for task, since in self._waiting.items() if since < oldest]:
            del self._waiting[task]
            self._spent.add(task)
            task.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._every, self._look) if self._waiting else None


async def read_body(
    receive: Callable[[], Awaitable[dict[str, Any]]],
    *,
    encoding: str,
    max_bytes: int,
    patience: Patience,
    reserve: Callable[[int], None],
) -> bytes:
    """The whole body, unpacked.

    Args:
        receive: ASGI's.
        encoding: Content-Encoding: gzip, deflate, zstd, identity or empty.
        max_bytes: Bound of the packed and of the unpacked size.
        patience: Bounds each wait for the next piece.
        reserve: Told of each piece's size before the piece is kept; may raise.

    Raises:
        TooLarge: The body is over the bound.
        UnsupportedMedia: The encoding is none of the above.
        InvalidInput: The encoding does not match the bytes, the client stalled, or it went away.
    """
    body = await _whole(receive, max_bytes, patience, reserve)
    if encoding in {"", "identity"}:
        return body
    if len(body) < _THREAD_BYTES:
        unpacked = unpack(body, encoding, max_bytes)
    else:
        unpacked = await asyncio.to_thread(unpack, body, encoding, max_bytes)
    reserve(len(unpacked))
    return unpacked


async def _whole(
    receive: Callable[[], Awaitable[dict[str, Any]]],
    max_bytes: int,
    patience: Patience,
    reserve: Callable[[int], None],
) -> bytes:
    pieces: list[bytes] = []
    size = 0
    task = patience.begin()
    try:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise InvalidInput(f"The client left after {size} bytes of the body.")
            piece = message.get("body", b"")
            if piece:
                size += len(piece)
                if size > max_bytes:
                    raise TooLarge(too_large(max_bytes))
                reserve(len(piece))
                pieces.append(piece)
            if not message.get("more_body"):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            patience.again(task)
    except asyncio.CancelledError:
        if not patience.is_spent(task):
            raise
        raise patience.stalled(size) from None
    finally:
        patience.end(task)


def too_large(max_bytes: int) -> str:
    """The sentence for a body over the bound."""
    return f"The body is larger than {max_bytes} bytes (max_body_bytes). Send smaller batches."


def unpack(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decompress in bounded steps; a declared length is never believed.

    Raises:
        TooLarge: More than `max_bytes` come out.
        UnsupportedMedia: The encoding is unknown.
        InvalidInput: The bytes are not of that encoding, or incomplete.
    """
    if encoding in {"gzip", "x-gzip"}:
        return _inflate(body, 31, "gzip", max_bytes)
    if encoding == "deflate":
        return _inflate(body, 15, "deflate", max_bytes)
    if encoding == "zstd":
        return _unpack_zstd(body, max_bytes)
    raise UnsupportedMedia(
        f"Content-Encoding {encoding[:40]!r} is not understood here. Use gzip, zstd, deflate or none."
    )


def _inflate(body: bytes, window_bits: int, name: str, max_bytes: int) -> bytes:
    out: list[bytes] = []
    size = 0
    rest = body
    while rest:  # a gzip body may consist of several members
        stream = zlib.decompressobj(window_bits)
        while not stream.eof:
            try:
                piece = stream.decompress(rest, _STEP_BYTES)
            except zlib.error as error:
                raise InvalidInput(f"The body is not valid {name}: {error}.") from error
            rest = stream.unconsumed_tail
            size += len(piece)
            if size > max_bytes:
                raise TooLarge(too_large(max_bytes))
            out.append(piece)
            if not piece and not rest and not stream.eof:
                raise InvalidInput(f"The {name} body ends too early, after {size} unpacked bytes.")
        rest = stream.unused_data
    if not out:
        raise InvalidInput(f"The body is empty, which is not valid {name}.")
    return b"".join(out)


def _unpack_zstd(body: bytes, max_bytes: int) -> bytes:
    out: list[bytes] = []
    size = 0
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    try:
        with decompressor.stream_reader(body, read_across_frames=True) as reader:
            while piece := reader.read(_STEP_BYTES):
                size += len(piece)
                if size > max_bytes:
                    raise TooLarge(too_large(max_bytes))
                out.append(piece)
    except zstandard.ZstdError as error:
        raise InvalidInput(f"The body is not valid zstd: {error}.") from error
    if not out and body:
        raise InvalidInput("The zstd body unpacks to nothing.")
    return b"".join(out)
