"""Platforms for tests: one for all, or one of a test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from real_platform import Platform

_LONG = (
    "faults/test_kills.py",
    "demo/test_demo_shop.py",
    "ui/test_logs_page.py",
    "ui/test_ui_trace.py",
    "server/",
    "metrics_api/test_cases_",
    "ui/",
    "scrape/",
    "remote_write/test_tiers.py",
    "metrics_storage/test_known_points.py",
    "query_logs/test_log_search.py",
    "query_traces/test_trace_search.py",
    "sdk/test_sdk_web.py",
)
"""Files that take a minute or so. They begin first, so that none is left when the other workers have ended.

What asks PromQL comes behind others: meanwhile everything is compiled once, and not by each worker and platform.
"""
_LATE = "server/test_precompile.py"
"""What waits for that. It is last, so that it has nothing to wait for."""
_COMPILE = "from vedette.server.precompile.child import compile_everything; compile_everything()"


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        compiling = subprocess.Popen([sys.executable, "-c", _COMPILE])
        config.add_cleanup(lambda: (compiling.kill(), compiling.wait()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        name = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        if name == _LATE:
            return len(_LONG) + 1
        return next((i for i, long in enumerate(_LONG) if name.startswith(long)), len(_LONG))

    items.sort(key=turn)


@pytest.fixture(scope="session", autouse=True)
def run_folder(tmp_path_factory, worker_id) -> Path:
    """A folder that all workers of a run have in common."""
    own = tmp_path_factory.getbasetemp()
    folder = own if worker_id == "master" else own.parent
    Platform.prepared = folder / "prepared"
    return folder


@pytest.fixture
def make_platform(tmp_path):
    """Start platforms; they are stopped when the test ends."""
    running: list[Platform] = []

    def make(*flags: str, name: str = "data", empty: bool = False, wait: bool = True, **environment: str) -> Platform:
        platform = Platform(tmp_path / name, list(flags), environment, empty=empty)
        running.append(platform)
        return platform.start(wait=wait)

    yield make
    for platform in running:
        platform.stop()


@pytest.fixture(scope="session")
def new_platform():
    """The class, for fixtures that start a platform of their own for a module."""
    return Platform


@pytest.fixture
def platform(make_platform) -> Platform:
    return make_platform()


@pytest.fixture(scope="session")
def shared_platform(tmp_path_factory):
    """One platform for tests that keep to a tenant of their own."""
    # Hundreds of tests send once and wait until it can be asked for: a second each would be most of their time.
    flags = ["--otlp-promote", "test.promoted", "--wal-segment-age", "200ms"]
    platform = Platform(tmp_path_factory.mktemp("shared") / "data", flags).start()
    yield platform
    platform.stop()
