"""What the process that scrapes leaves about itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vedette.server.api.context import services_of

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["external_labels", "pools_of", "state_of"]


def external_labels(request: Request, tenant: str) -> dict[str, str]:
    """The ``external_labels`` of the configuration by which a tenant's targets are scraped, by name."""
    state = state_of(request, "scrape")
    return state.get("external_labels", {}) if tenant in state.get("tenants", {}) else {}


def pools_of(request: Request, tenant: str) -> list[dict[str, Any]]:
    """What is scraped for a tenant: by the configuration, and of what registered itself."""
    states = [state_of(request, name).get("tenants", {}).get(tenant) for name in ("scrape", "registered")]
    return [state for state in states if state]


def state_of(request: Request, name: str) -> dict[str, Any]:
    """What another process of the platform left about itself."""
    path = services_of(request).settings.run_dir / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found
