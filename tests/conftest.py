"""Platforms for tests: one for all, or one of a test's own."""

from __future__ import annotations

import pytest
from real_platform import Platform


@pytest.fixture
def make_platform(tmp_path):
    """Start platforms; they are stopped when the test ends."""
    running: list[Platform] = []

    def make(*flags: str, name: str = "data", wait: bool = True, **environment: str) -> Platform:
        platform = Platform(tmp_path / name, list(flags), environment)
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
    platform = Platform(tmp_path_factory.mktemp("shared") / "data").start()
    yield platform
    platform.stop()
