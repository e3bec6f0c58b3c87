from __future__ import annotations

import itertools

import pytest
from otlp_spans import Tenant

_numbers = itertools.count(1)


@pytest.fixture
def tenant(shared_platform) -> Tenant:
    """A tenant with no data yet."""
    return Tenant(shared_platform, f"traces-{next(_numbers)}")
