"""ClickHouse's own compression of HTTP bodies (``compress=1``, ``decompress=1``), which JDBC and Go clients ask for.

A body is a run of blocks: CityHash128 (version 1.0.2) of what follows, then a method byte, the size of the block
without its checksum, the size of the data, and the data. See https://clickhouse.com/docs/native-protocol/compression.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import lz4.block  # type: ignore[import-untyped]
from clickhouse_cityhash.cityhash import CityHash128  # type: ignore[import-untyped]

from vedette.server.engine.embedded.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["packed", "unpacked"]

_CHECKSUM = struct.Struct("<QQ")
_HEADER = struct.Struct("<BII")
_LZ4 = 0x82
_ZSTD = 0x90
_NONE = 0x02
_BLOCK_BYTES = 1024 * 1024
# Clients send blocks of about 1 MiB; one that claims more than this wants our memory.
_MAX_BLOCK_BYTES = 64 * 1024 * 1024


def packed(data: bytes) -> bytes:
    """`data` as blocks compressed by LZ4."""
    blocks = []
    for start in range(0, len(data), _BLOCK_BYTES):
        part = data[start : start + _BLOCK_BYTES]
        content = lz4.block.compress(part, store_size=False)
        block = _HEADER.pack(_LZ4, _HEADER.size + len(content), len(part)) + content
        blocks += [_checksum(block), block]
    return b"".join(blocks)


def unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The data of a run of blocks, however it is cut into chunks.

    Raises:
        Failure: a block is damaged, too large, of an unknown method, or not whole.
    """
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        while len(pending) >= _CHECKSUM.size + _HEADER.size:
            method, size, plain_size = _HEADER.unpack_from(pending, _CHECKSUM.size)
            if not _HEADER.size <= size <= _MAX_BLOCK_BYTES or plain_size > _MAX_BLOCK_BYTES:
                raise Failure(271, "CANNOT_DECOMPRESS", f"A block of the body claims {max(size, plain_size)} bytes")
            end = _CHECKSUM.size + size
            if len(pending) < end:
                break
            block = bytes(pending[_CHECKSUM.size : end])
            if pending[: _CHECKSUM.size] != _checksum(block):
                raise Failure(40, "CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: a block of the body is damaged")
            del pending[:end]
            yield _plain(method, block[_HEADER.size :], plain_size)
    if pending:
        raise Failure(271, "CANNOT_DECOMPRESS", "The body ends in the middle of a block")


def _checksum(block: bytes) -> bytes:
    number = CityHash128(block)
    return _CHECKSUM.pack(number >> 64, number & 0xFFFFFFFFFFFFFFFF)


def _plain(method: int, content: bytes, size: int) -> bytes:
    try:
        if method == _LZ4:
            return bytes(lz4.block.decompress(content, uncompressed_size=size))
        if method == _ZSTD:
            import zstandard  # noqa: PLC0415 - few clients use it, and an idle engine is to be small

            return zstandard.ZstdDecompressor().decompress(content, max_output_size=size)
    except Exception as error:  # noqa: BLE001 - each library has its own errors, and all of them mean this
        raise Failure(271, "CANNOT_DECOMPRESS", f"A block of the body cannot be decompressed: {error}") from None
    if method == _NONE:
        return content
    raise Failure(89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method {method:#x} in the body")
