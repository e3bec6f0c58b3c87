"""A client's connection: HTTP/2 as far as unary calls need it.

https://www.rfc-editor.org/rfc/rfc9113. Header fields that this side sends go into no table. What a client may send
before it has read, how much of that is kept, and how often it may ask for what costs it nothing, is bounded.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from hpack import Decoder
from hpack.exceptions import HPACKError, OversizedHeaderListError

from vedette.errors import InvalidInput, RequestError, TooLarge, Unavailable
from vedette.server.ingest.body import too_large
from vedette.server.ingest.grpc import frames
from vedette.server.ingest.grpc.calls import Call, CallError, Code, Head, failure, head_of, packed, trailers
from vedette.server.ingest.grpc.frames import ConnectionFault, frame
from vedette.server.ingest.grpc.sender import FIRST_WINDOW, STREAM_WINDOW, Sender, Stream

if TYPE_CHECKING:
    from vedette.server.ingest.grpc.rules import Rules

__all__ = ["Connection"]

log = logging.getLogger(__name__)
logging.getLogger("hpack").setLevel(logging.INFO)  # at debug it writes down every field, keys too

_WINDOW: Final = 4 << 20
"""Bytes that a connection may have on their way."""
_MOST_STREAMS: Final = 1000
_MOST_HEADER_BYTES: Final = 16 << 10
_MOST_HEADS: Final = 64
_KEPT_BLOCK_BYTES: Final = 512
_MESSAGE_HEAD: Final = 5
_CALM_SECONDS: Final = 10.0
_MOST_FREE: Final = 5000
"""How many frames that ask for nothing (pings, resets, settings) may come in that time, besides four a call."""
_FREE_FOR_A_CALL: Final = 4
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 0x1, 0x2, 0x4, 0x5
_SETTING: Final = 6
_GREETING: Final = frame(
    frames.SETTINGS,
    0,
    0,
    b"".join(
        key.to_bytes(2, "big") + frames.number(value)
        for key, value in ((0x3, _MOST_STREAMS), (_INITIAL_WINDOW_SIZE, STREAM_WINDOW), (0x6, _MOST_HEADER_BYTES))
    ),
) + frame(frames.WINDOW_UPDATE, 0, 0, frames.number(_WINDOW - FIRST_WINDOW))
_NOT_HTTP2: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
    b"This is the port of OTLP over gRPC, which speaks HTTP/2. OTLP over HTTP has a port of its own, by default 4318.\n"
)


class Connection(asyncio.Protocol):
    """A connection of a client."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._sender: Sender
        self._client = ""
        self._rest = b""
        self._since = self._loop.time()
        self._is_greeted = self._is_set_up = self._is_leaving = False
        self._streams: dict[int, Stream] = {}
        self._last = 0
        self._block: tuple[int, int, bytes] | None = None
        self._decoder = Decoder(max_header_list_size=_MOST_HEADER_BYTES)
        self._heads: dict[bytes, Head] = {}
        self._room = _WINDOW
        self._free = 0
        self._calm = self._since
        self._readers = {
            frames.DATA: self._data,
            frames.HEADERS: self._headers,
            frames.PRIORITY: self._priority,
            frames.RST_STREAM: self._reset,
            frames.SETTINGS: self._settings,
            frames.PUSH_PROMISE: self._promise,
            frames.PING: self._ping,
            frames.WINDOW_UPDATE: self._window,
            frames.CONTINUATION: self._continuation,
        }

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if peer else ""
        self._sender = Sender(transport, self._finished)
        self._rules.join(self)
        self._sender.write(_GREETING)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """The client is gone; calls that are being answered come to their end."""
        self._rules.part(self)
        for stream in self._streams.values():
            self._forget(stream)
        self._streams.clear()

    def pause_writing(self) -> None:
        """A client that does not read is not read."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._transport.is_closing():
            return
        try:
            self._rest = self._read(self._rest + data if self._rest else data)
        except ConnectionFault as fault:
            self._fail(fault)
        except Exception:
            log.exception("A connection for gRPC failed")
            self._fail(ConnectionFault(frames.INTERNAL_ERROR, "Vedette failed; its log says more"))

    # -- what the server calls

    def look(self, now: float) -> None:
        """End what has waited too long."""
        oldest = now - self._rules.patience_seconds
        if self._transport.is_closing():
            if self._since < oldest:  # it does not read what it is told
                self._transport.abort()
            return
        if (self._rest or self._block or not self._is_set_up) and self._since < oldest:
            self._fail(ConnectionFault(frames.ENHANCE_YOUR_CALM, "nothing came for too long within a frame"))
            return
        for stream in [one for one in self._streams.values() if not one.is_started and one.since < oldest]:
            waited = self._rules.patience_seconds
            text = f"The message stopped arriving: nothing came for {waited:.0f} s after {stream.size} bytes."
            self._start(stream, InvalidInput(text))

    def leave(self) -> None:
        """Answer what has begun, and no more."""
        if not self._is_leaving:
            self._is_leaving = True
            self._say_goodbye(frames.NO_ERROR, "")
        self._close_when_done()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # -- frames

    def _read(self, data: bytes) -> bytes:
        """Take whole frames; what is left of the last one."""
        at, size = 0, len(data)
        if not self._is_greeted:
            if not data.startswith(frames.PREFACE[:size]):
                self._transport.write(_NOT_HTTP2)
                self._transport.close()
                return b""
            if size < len(frames.PREFACE):
                return data
            self._is_greeted = True
            at = len(frames.PREFACE)
        while size - at >= frames.HEADER_BYTES:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if length > frames.MOST_FRAME_BYTES:
                raise ConnectionFault(frames.FRAME_SIZE_ERROR, f"a frame of {length} bytes is longer than was allowed")
            begin = at + frames.HEADER_BYTES
            if begin + length > size:
                break
            kind, stream = data[at + 3], int.from_bytes(data[at + 5 : begin], "big") & frames.MOST_WINDOW
            self._take(kind, data[at + 4], stream, data[begin : begin + length])
            at = begin + length
            if self._transport.is_closing():
                return b""
        if at < size:
            self._since = self._loop.time()
        return data[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and (kind != frames.CONTINUATION or stream != self._block[0]):
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a block of header fields was interrupted")
        if not self._is_set_up:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "the first frame is one of settings")
            self._is_set_up = True
        reader = self._readers.get(kind)
        if reader is not None:
            reader(flags, stream, payload)

    def _data(self, flags: int, id_: int, payload: bytes) -> None:
        self._use_room(len(payload))
        stream = self._streams.get(id_)
        if stream is None:
            if id_ == 0 or id_ > self._last:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "data of a stream that was not opened")
            self._note_free()  # on its way when the stream was ended
            return
        if stream.is_ended:
            raise ConnectionFault(frames.STREAM_CLOSED, "data behind the end of a message")
        stream.is_ended = bool(flags & frames.END_STREAM)
        stream.room -= len(payload)
        if stream.room < 0:
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "more came than the stream's window allows")
        content = frames.unpadded(payload, flags)
        if not content and not stream.is_ended:
            self._note_free()
        if content and not stream.is_started:
            self._keep(stream, content)
        if stream.is_started:
            return
        if stream.is_ended:
            self._start(stream)
        elif stream.room < STREAM_WINDOW // 2:
            self._sender.write(frame(frames.WINDOW_UPDATE, 0, id_, frames.number(STREAM_WINDOW - stream.room)))
            stream.room = STREAM_WINDOW

    def _use_room(self, size: int) -> None:
        """Count bytes against the connection's window, which is opened anew when half of it is used."""
        self._room -= size
        if self._room < 0:
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "more came than the connection's window allows")
        if self._room < _WINDOW // 2:
            self._sender.write(frame(frames.WINDOW_UPDATE, 0, 0, frames.number(_WINDOW - self._room)))
            self._room = _WINDOW

    def _keep(self, stream: Stream, content: bytes) -> None:
        """Keep a piece of a message; over a bound, the call is answered at once."""
        most = self._rules.max_message_bytes
        try:
            if not stream.pieces and int.from_bytes(content[1:_MESSAGE_HEAD], "big") > most:
                raise TooLarge(too_large(most))
            if stream.size + len(content) > most + _MESSAGE_HEAD:
                raise TooLarge(too_large(most))
            self._rules.reserve(len(content))
        except (RequestError, Unavailable) as error:
            self._start(stream, error)
            return
        stream.reserved += len(content)
        stream.size += len(content)
        stream.pieces.append(content)
        stream.since = self._loop.time()

    def _headers(self, flags: int, id_: int, payload: bytes) -> None:
        if id_ == 0:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "header fields without a stream")
        fields = 5 if flags & frames.PRIORITY_FIELDS else 0
        block = frames.unpadded(payload, flags, fields=fields)
        if flags & frames.END_HEADERS:
            self._open(id_, flags, block)
        else:
            self._block = id_, flags, block
            self._since = self._loop.time()

    def _continuation(self, flags: int, id_: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "header fields continue that did not begin")
        _, first_flags, block = self._block
        self._note_free()
        block += payload
        if len(block) > 2 * _MOST_HEADER_BYTES:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many header fields")
        self._block = id_, first_flags, block
        if flags & frames.END_HEADERS:
            self._block = None
            self._open(id_, first_flags, block)

    def _head(self, block: bytes) -> Head:
        """The fields of a block. Blocks that change nothing in the table come again until it changes."""
        head = self._heads.get(block)
        if head is not None:
            return head
        table = self._decoder.header_table
        before = self._newest_entry(), len(table.dynamic_entries), table.maxsize
        try:
            head = head_of(self._decoder.decode(block, raw=True))
        except OversizedHeaderListError as error:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many header fields") from error
        except (HPACKError, UnicodeError) as error:
            raise ConnectionFault(frames.COMPRESSION_ERROR, f"header fields cannot be read: {error}") from error
        newest, *sizes = before
        if self._newest_entry() is not newest or [len(table.dynamic_entries), table.maxsize] != sizes:
            self._heads.clear()
        elif len(self._heads) < _MOST_HEADS and len(block) <= _KEPT_BLOCK_BYTES:
            self._heads[block] = head
        return head

    def _newest_entry(self) -> object:
        """What was put into the table last: an object of its own for each time that something was."""
        entries = self._decoder.header_table.dynamic_entries
        return entries[0] if entries else None

    def _open(self, id_: int, flags: int, block: bytes) -> None:
        head = self._head(block)
        stream = self._streams.get(id_)
        if stream is not None:  # what a client says behind its message
            if not flags & frames.END_STREAM or stream.is_ended:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "header fields within a message, or behind it")
            stream.is_ended = True
            if not stream.is_started:
                self._start(stream)
            return
        if id_ <= self._last or not id_ & 1:
            raise ConnectionFault(frames.STREAM_CLOSED, "a stream is opened again")
        self._last = id_
        if self._is_leaving or len(self._streams) >= _MOST_STREAMS:
            self._note_free()
            self._sender.write(frame(frames.RST_STREAM, 0, id_, frames.number(frames.REFUSED_STREAM)))
            return
        if self._refuse(id_, flags, head):
            return
        stream = self._streams[id_] = Stream(id_, head, self._loop.time())
        stream.is_ended = bool(flags & frames.END_STREAM)
        try:
            self._rules.reserve(head.size)
        except (RequestError, Unavailable) as error:
            self._start(stream, error)
            return
        stream.reserved = head.size
        if stream.is_ended:
            self._start(stream)

    def _refuse(self, id_: int, flags: int, head: Head) -> bool:
        """Answer what is no call of a method that there is."""
        if head.method != b"POST" or not head.content_type.startswith(b"application/grpc"):
            status = 405 if head.method != b"POST" else 415
            text = "This port takes OTLP over gRPC: POST of application/grpc.\n"
            answer = failure(id_, status, text, self._sender.prefix())
        elif head.path not in self._rules.methods:
            text = f"There is no method {head.path[:200]}; there are {', '.join(self._rules.methods)}."
            answer = trailers(id_, Code.UNIMPLEMENTED, text, prefix=self._sender.prefix())
        else:
            return False
        self._note_free()
        if not flags & frames.END_STREAM:
            answer += frame(frames.RST_STREAM, 0, id_, frames.number(frames.NO_ERROR))
        self._sender.write(answer)
        return True

    def _priority(self, _flags: int, _id: int, _payload: bytes) -> None:
        self._note_free()

    def _promise(self, _flags: int, _id: int, _payload: bytes) -> None:
        raise ConnectionFault(frames.PROTOCOL_ERROR, "a client promises nothing")

    def _reset(self, _flags: int, id_: int, payload: bytes) -> None:
        if len(payload) != 4:  # noqa: PLR2004 - an error's code
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "a reset has four bytes")
        if id_ == 0 or id_ > self._last:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a stream is reset that was not opened")
        self._note_free()
        stream = self._streams.pop(id_, None)
        if stream is not None:
            self._sender.forget(id_)
            self._forget(stream)
            if self._is_leaving:
                self._close_when_done()

    def _settings(self, flags: int, id_: int, payload: bytes) -> None:
        if id_ or len(payload) % _SETTING or (flags & frames.ACK and payload):
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "settings are six bytes each, of no stream")
        if flags & frames.ACK:
            return
        self._note_free()
        for at in range(0, len(payload), _SETTING):
            key, value = int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")
            if key == _INITIAL_WINDOW_SIZE:
                self._sender.settle(first_window=value)
            elif key == _HEADER_TABLE_SIZE:
                self._sender.settle(table_bytes=value)
            elif (key == _ENABLE_PUSH and value > 1) or (
                key == _MAX_FRAME_SIZE and not frames.MOST_FRAME_BYTES <= value < 1 << 24
            ):
                raise ConnectionFault(frames.PROTOCOL_ERROR, f"setting {key} cannot be {value}")
        self._sender.write(frame(frames.SETTINGS, frames.ACK, 0))

    def _ping(self, flags: int, id_: int, payload: bytes) -> None:
        if id_ or len(payload) != 8:  # noqa: PLR2004 - what comes back
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "a ping has eight bytes, and no stream")
        if not flags & frames.ACK:
            self._note_free()
            self._sender.write(frame(frames.PING, frames.ACK, 0, payload))

    def _window(self, _flags: int, id_: int, payload: bytes) -> None:
        if len(payload) != 4:  # noqa: PLR2004 - a number
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "a window grows by a number of four bytes")
        more = int.from_bytes(payload, "big") & frames.MOST_WINDOW
        if more == 0 or id_ > self._last:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a window grows by nothing, or a stream was not opened")
        self._note_free()
        stream = self._streams.get(id_)
        if stream is not None or id_ == 0:
            self._sender.grow(stream, more)

    # -- calls

    def _start(self, stream: Stream, fault: Exception | None = None) -> None:
        """Answer a call: its message is whole, or something is wrong with it."""
        stream.is_started = True
        content = stream.pieces[0] if len(stream.pieces) == 1 else b"".join(stream.pieces)
        stream.pieces.clear()
        is_packed, message = content[:1] == b"\x01", content[_MESSAGE_HEAD:]
        if fault is None and len(message) != int.from_bytes(content[1:_MESSAGE_HEAD], "big"):
            fault = InvalidInput("A unary call has one message, as long as the number before it says.")
        elif fault is None and len(content) < _MESSAGE_HEAD:
            fault = InvalidInput("A unary call has one message, and this one has none.")
        call = Call(stream.head, self._client, message if fault is None else b"", is_packed, fault)
        task = self._loop.create_task(self._answer(stream, call))
        self._rules.calls.add(task)
        task.add_done_callback(self._rules.calls.discard)

    async def _answer(self, stream: Stream, call: Call) -> None:
        try:
            message = await self._rules.methods[call.head.path](call)
        except CallError as error:
            answer = trailers(stream.id, error.code, str(error), error.metadata, prefix=self._sender.prefix())
            self._sender.finish(stream, answer)
        except Exception:
            log.exception("A call of %s failed", call.head.path)
            text = "Vedette failed to handle this request; its log says more."
            self._sender.finish(stream, trailers(stream.id, Code.INTERNAL, text, prefix=self._sender.prefix()))
        else:
            self._sender.send(stream, packed(message), trailers(stream.id, Code.OK, "", call.trailers))
        finally:
            self._rules.release(stream.reserved)
            stream.reserved = 0

    def _finished(self, stream: Stream) -> None:
        self._streams.pop(stream.id, None)
        self._free = max(0, self._free - _FREE_FOR_A_CALL)
        if self._is_leaving:
            self._close_when_done()

    def _forget(self, stream: Stream) -> None:
        """The client does not want the answer any more. What is being answered gives its room back by itself."""
        stream.is_gone = True
        if not stream.is_started:
            stream.is_started = True
            stream.pieces.clear()
            self._rules.release(stream.reserved)
            stream.reserved = 0

    # -- the connection

    def _note_free(self) -> None:
        now = self._loop.time()
        if now - self._calm > _CALM_SECONDS:
            self._calm, self._free = now, 0
        self._free += 1
        if self._free > _MOST_FREE:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _say_goodbye(self, code: int, reason: str) -> None:
        said = frames.number(self._last) + frames.number(code) + reason.encode()
        self._sender.write(frame(frames.GOAWAY, 0, 0, said))

    def _fail(self, fault: ConnectionFault) -> None:
        self._since = self._loop.time()
        self._say_goodbye(fault.code, str(fault))
        self._transport.close()

    def _close_when_done(self) -> None:
        if not self._streams:
            self._transport.close()
