"""What the engine says when it fails: turning ClickHouse's exceptions into ours."""

from __future__ import annotations

import re

from vedette.errors import EngineError, EngineUnavailable, QueryLimit, VedetteError

__all__ = ["BrokenAnswer", "ExceptionScanner", "exception_from_text"]

# ClickHouse's error numbers: src/Common/ErrorCodes.cpp.
_LIMIT_CODES = {
    158: "rows to read",
    159: "time",
    160: "estimated time",
    241: "memory",
    307: "bytes to read",
    396: "rows or bytes in the answer",
}
_MEMORY_LIMIT_EXCEEDED = 241
_BUSY_CODES = {202}  # TOO_MANY_SIMULTANEOUS_QUERIES

_EXCEPTION = re.compile(
    r"Code: (?P<code>\d+)\. DB::(?:\w+)?Exception: (?P<message>.*?)"
    r"(?:\s*\((?P<name>[A-Z][A-Z0-9_]+)\))?(?:\s*\(version [^)]*(?:\([^)]*\))?\))?\s*$",
    re.DOTALL,
)
_MESSAGE_LIMIT = 2000
# ClickHouse writes at most 16 KiB of exception after a marker.
_TAIL_BYTES = 32 * 1024
_MARKER = b"\r\n__exception__\r\n"


class BrokenAnswer(Exception):
    """The stream ended in an exception; `text` is what the engine wrote about it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def exception_from_text(text: str, *, code: int | None = None) -> VedetteError:
    """The error to raise for what the engine wrote.

    Args:
        text: the body of a failed answer, or the text after an exception marker.
        code: ClickHouse's number when a header gave it.
    """
    match = _EXCEPTION.search(text)
    name = ""
    message = text.strip()
    if match:
        code = int(match["code"]) if code is None else code
        name = match["name"] or ""
        message = match["message"].strip()
    message = message[:_MESSAGE_LIMIT] or "The engine gave no reason"
    if code is None:
        return EngineError(f"The engine failed: {message}", code=0)
    if code in _BUSY_CODES or (code == _MEMORY_LIMIT_EXCEEDED and "(total) memory limit" in message):
        return EngineUnavailable(f"The engine is at its limit: {message}")
    if code in _LIMIT_CODES:
        return QueryLimit(
            f"The query reached its limit of {_LIMIT_CODES[code]}: {message} "
            "Narrow the time range or the filters, or raise the limit."
        )
    return EngineError(message, code=code, name=name)


class ExceptionScanner:
    """Finds an exception inside a stream that had already begun with status 200.

    ClickHouse (25.11 and later) announces a random tag in ``X-ClickHouse-Exception-Tag``. Where the data breaks off it
    writes these lines, ended by CR LF: ``__exception__``, the tag, the message, "length tag", ``__exception__``.
    Bytes that could be the start of that marker are held back until the next chunk decides.
    """

    def __init__(self, tag: str | None) -> None:
        self._marker = _MARKER + tag.encode() if tag else _MARKER
        self._strict = bool(tag)
        self._held = b""
        self._exception: bytearray | None = None
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        """The part of `chunk` (and of what was held back) that is surely data."""
        if self._exception is not None:
            if len(self._exception) < _TAIL_BYTES:
                self._exception += chunk
            return b""
        data = self._held + chunk if self._held else chunk
        if not self._strict:
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
            return data
        found = data.find(self._marker)
        if found >= 0:
            self._exception = bytearray(data[found + len(self._marker) :])
            self._held = b""
            return data[:found]
        held = self._possible_marker(data)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def _possible_marker(self, data: bytes) -> int:
        for length in range(min(len(self._marker) - 1, len(data)), 0, -1):
            if data.endswith(self._marker[:length]):
                return length
        return 0

    def finish(self) -> bytes:
        """What was held back, once the stream has ended whole.

        Raises:
            BrokenAnswer: the stream ended in an exception.
        """
        if self._exception is not None:
            raise BrokenAnswer(self._exception_text())
        held, self._held = self._held, b""
        return held

    def broken(self) -> str | None:
        """The engine's words when the connection broke off, if it left any."""
        if self._exception is not None:
            return self._exception_text()
        tail = self._tail.decode("utf-8", "replace")
        at = tail.rfind("Code: ")
        return tail[at:] if at >= 0 and "DB::" in tail[at:] else None

    def _exception_text(self) -> str:
        text = bytes(self._exception or b"").decode("utf-8", "replace")
        return re.sub(r"\r?\n\d+ \S+\r?\n__exception__\s*$", "", text)
