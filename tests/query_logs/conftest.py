from __future__ import annotations

import itertools

import pytest
from log_lines import Tenant

_numbers = itertools.count(1)


@pytest.fixture
def make_tenant(shared_platform):
    def make() -> Tenant:
        return Tenant(shared_platform, f"logs-{next(_numbers)}")

    return make


@pytest.fixture
def tenant(make_tenant) -> Tenant:
    """A tenant with no data yet."""
    return make_tenant()
