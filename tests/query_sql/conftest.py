from __future__ import annotations

import pytest
from sql_tenants import Tenant


@pytest.fixture(scope="session")
def victim(shared_platform) -> Tenant:
    """Another tenant, whose rows nobody else may see."""
    tenant = Tenant(shared_platform, "sql-victim")
    tenant.store()
    return tenant


@pytest.fixture(scope="session")
def tenant(shared_platform, victim) -> Tenant:  # noqa: ARG001 - there must be something to steal
    tenant = Tenant(shared_platform, "sql-reader")
    tenant.store()
    return tenant
