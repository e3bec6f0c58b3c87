"""A collector, and programs that send to it."""

from __future__ import annotations

import pytest
from sdk_programs import Collector, Programs


@pytest.fixture
def collector():
    running = Collector().start()
    yield running
    running.stop()


@pytest.fixture
def programs(tmp_path, collector):
    made = Programs(tmp_path, collector.url)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.wait()
