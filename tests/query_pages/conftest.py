from __future__ import annotations

import itertools

import pytest
from page_tenant import PageTenant

_numbers = itertools.count(1)


@pytest.fixture
def tenant(shared_platform) -> PageTenant:
    """A tenant with no data yet."""
    return PageTenant(shared_platform, f"pages-{next(_numbers)}")
