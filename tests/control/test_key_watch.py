"""A running server, in a process of its own, notices what another process does to the keys."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from vedette.cli.key import app
from vedette.errors import Unauthenticated, Unavailable
from vedette.server.control import watch
from vedette.server.control.database import available, writing
from vedette.server.control.identity import Authenticator
from vedette.server.control.store import open_control
from vedette.server.control.watch import KeyWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throwaway_postgresql import Cluster

    from vedette.server.control.store import Control

# Judges one request per line of standard input, as a server does between polls of the database.
SERVER = """
import asyncio, json, sys
from vedette.errors import VedetteError
from vedette.server.control import watch
from vedette.server.control.identity import Authenticator
from vedette.server.control.store import open_control
from vedette.server.control.watch import KeyWatcher

async def main():
    control = open_control(sys.argv[1])
    authenticator = Authenticator(control.key_table())
    async with KeyWatcher(control, authenticator):
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            try:
                answer = authenticator.identify(scope="ingest", **request).tenant
            except VedetteError as error:
                answer = type(error).__name__ + ": " + str(error)
            print(json.dumps(answer), flush=True)

asyncio.run(main())
"""


class Server:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **request: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return str(json.loads(self._process.stdout.readline()))

    def answers(self, expected: str, **request: str) -> None:
        """Ask until the answer begins as expected: the test's own limit ends a wait in vain."""
        while not self.ask(**request).startswith(expected):
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.communicate()


@pytest.fixture
def server(control_url: str) -> Iterator[Server]:
    command = [sys.executable, "-c", SERVER, control_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process)
        process.kill()


def key_command(control_url: str, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--control-url", control_url])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.timeout(300)
def test_a_running_server_notices_keys_made_and_revoked_elsewhere(control_url: str, server: Server) -> None:
    assert server.ask() == "default"
    secret = key_command(control_url, "create", "--tenant", "acme").strip()
    server.answers("acme", authorization=f"Bearer {secret}")
    key_command(control_url, "revoke", secret[:12])
    server.answers("Unauthenticated: The API key vdt_", authorization=f"Bearer {secret}")
    assert "was revoked" in server.ask(api_key=secret)


@pytest.mark.timeout(300)
def test_the_first_admin_key_closes_a_running_server(control_url: str, server: Server) -> None:
    assert server.ask() == "default"
    admin = key_command(control_url, "create", "--scope", "admin").strip()
    server.answers("Unauthenticated: An API key is needed")
    assert server.ask(api_key=admin) == "default"


@pytest.mark.timeout(300)
def test_what_requests_revealed_is_written_when_the_server_ends(control_url: str, server: Server) -> None:
    secret = key_command(control_url, "create", "--all-tenants").strip()
    server.answers("acme", api_key=secret, tenant="acme")
    server.ask(api_key=secret, tenant="globex")
    server.stop()
    with open_control(control_url) as control:
        assert {tenant.name for tenant in control.list_tenants()} == {"acme", "globex"}
        assert control.list_keys()[0].last_used is not None


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is awaited happens in a database, which sets no event
        await asyncio.sleep(0.02)


def refused(judge: Authenticator, key: str) -> bool:
    try:
        judge.identify(scope="ingest", api_key=key)
    except Unauthenticated:
        return True
    return False


@pytest.mark.timeout(300)
async def test_requests_are_judged_by_the_last_keys_while_the_database_is_away(
    cluster: Cluster, postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = postgresql_url.partition("@/")[2].partition("?")[0]
    with open_control(postgresql_url) as control:
        kept = control.create_key(name="", scopes=["ingest"], tenants=["acme"])
        gone = control.create_key(name="", scopes=["ingest"], tenants=["acme"])
        judge = Authenticator(control.key_table())
        async with KeyWatcher(control, judge, poll_seconds=0.02) as watcher:
            cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            cluster.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            await until(lambda: "Until then requests are judged by the keys known so far" in caplog.text)
            assert watcher.stale_seconds > 0
            assert judge.identify(scope="ingest", api_key=gone.secret).tenant == "acme"
            with pytest.raises(Unavailable):
                await watcher.refresh()

            cluster.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await asyncio.to_thread(control.revoke_key, gone.key.id)
            await until(lambda: refused(judge, gone.secret))
            assert judge.identify(scope="ingest", api_key=kept.secret).tenant == "acme"


@pytest.mark.timeout(300)
async def test_a_change_that_left_the_revision_alone_is_noticed_too(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.1)
    key = control.create_key(name="", scopes=["ingest"])
    judge = Authenticator(control.key_table())
    async with KeyWatcher(control, judge, poll_seconds=0.02):
        judge.identify(scope="ingest", api_key=key.secret)
        await until(lambda: control.list_keys()[0].last_used is not None)
        with available(writing, control._engine) as connection:
            connection.exec_driver_sql("DELETE FROM api_key_tenants")
            connection.exec_driver_sql("DELETE FROM api_keys")
        await until(lambda: refused(judge, key.secret))


@pytest.mark.timeout(300)
async def test_a_table_that_cannot_be_read_does_not_end_the_watch(
    opened: Callable[[], Control], caplog: pytest.LogCaptureFixture
) -> None:
    control = opened()
    judge = Authenticator(control.key_table())
    async with KeyWatcher(control, judge, poll_seconds=0.02):
        with available(writing, control._engine) as connection:
            connection.exec_driver_sql("INSERT INTO meta (key, value) VALUES ('revision', 'torn')")
        await until(lambda: "Cannot read the keys" in caplog.text)
        with available(writing, control._engine) as connection:
            connection.exec_driver_sql("UPDATE meta SET value = '7' WHERE key = 'revision'")
        control.create_key(name="", scopes=["admin"])
        await until(lambda: judge.required)
