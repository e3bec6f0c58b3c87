"""A load client in a process of its own: sends prepared requests, each when the last one on its connection is answered.

``python -m bench.client http|grpc PORT SIGNAL BATCH CONNECTIONS SECONDS`` prints requests, rows, payload bytes and its
own CPU seconds. Payloads are made before the clock starts and go round; ids repeat, which the store does not mind.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass
from itertools import cycle

import grpc.aio
import uvloop

from bench.telemetry import log_request, trace_request

_SERVICES = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


@dataclass
class _Tally:
    requests: int = 0
    bytes: int = 0


class _Connection(asyncio.Protocol):
    """One request at a time: the next goes out when the answer is in."""

    def __init__(self, bodies: cycle[bytes], path: str, until: float, tally: _Tally) -> None:
        self._bodies, self._path, self._until, self._tally = bodies, path, until, tally
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(data[:300].decode("latin-1")))
            return
        self._tally.requests += 1
        self._tally.bytes += self._sent
        if time.monotonic() < self._until:
            self._send()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _send(self) -> None:
        body = next(self._bodies)
        self._sent = len(body)
        head = f"POST {self._path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
        self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


async def _http(port: int, signal: str, bodies: cycle[bytes], connections: int, until: float) -> _Tally:
    tally = _Tally()
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(
            lambda: _Connection(bodies, f"/v1/{signal}", until, tally), "127.0.0.1", port
        )
        made.append(protocol.done)
    await asyncio.gather(*made)
    return tally


async def _grpc(port: int, signal: str, bodies: cycle[bytes], connections: int, until: float) -> _Tally:
    tally = _Tally()

    async def one() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(_SERVICES[signal])
            while time.monotonic() < until:
                body = next(bodies)
                await call(body)
                tally.requests += 1
                tally.bytes += len(body)

    await asyncio.gather(*(one() for _ in range(connections)))
    return tally


async def _run(transport: str, port: int, signal: str, *, batch: int, connections: int, seconds: float) -> None:
    rng = random.Random(7)
    make = trace_request if signal == "traces" else log_request
    bodies = cycle([make(batch, rng) for _ in range(max(4, min(64, 4000 // batch)))])
    cpu, started = time.process_time(), time.monotonic()
    send = _http if transport == "http" else _grpc
    tally = await send(port, signal, bodies, connections, started + seconds)
    print(
        json.dumps(
            {
                "requests": tally.requests,
                "rows": tally.requests * batch,
                "bytes": tally.bytes,
                "seconds": time.monotonic() - started,
                "client_cpu_seconds": time.process_time() - cpu,
            }
        )
    )


if __name__ == "__main__":
    name, port, signal, batch, connections, seconds = sys.argv[1:]
    uvloop.run(_run(name, int(port), signal, batch=int(batch), connections=int(connections), seconds=float(seconds)))
