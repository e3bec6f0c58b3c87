"""What the platform asks on other machines is trusted as the system says, though aiohttp is loaded without certificates."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ASK = """
import asyncio, sys
from vedette.server.certificates import load_aiohttp
load_aiohttp()
import aiohttp
from vedette.server.engine.client import Engine
from vedette.server.scrape.client import Client
from vedette.server.scrape.client_config import ClientConfig

async def ask(port):
    engine, client = Engine(f"https://127.0.0.1:{port}"), Client(ClientConfig())
    print(await engine.ping())
    try:
        async with client.get(f"https://127.0.0.1:{port}/metrics", {}) as answer:
            print(answer.status)
    except aiohttp.ClientConnectorCertificateError:
        print("refused")
    await client.close()
    await engine.close()

asyncio.run(ask(sys.argv[1]))
"""


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"Ok.\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=here", "-days", "2"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "here.key", "-out", "here.pem"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "here.pem", tmp_path / "here.key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_a_server_is_asked_if_the_system_vouches_for_it(port: int, tmp_path: Path) -> None:
    for trusted, said in (({"SSL_CERT_FILE": str(tmp_path / "here.pem")}, "True\n200\n"), ({}, "False\nrefused\n")):
        command = [sys.executable, "-c", ASK, str(port)]
        done = subprocess.run(command, env={**os.environ, **trusted}, capture_output=True, text=True, check=True)
        assert done.stdout == said
