"""What an Alertmanager is told of an alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.server.query.promql.labels import Labels

__all__ = ["Notice"]


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert as it is now; times are milliseconds since 1970."""

    labels: Labels
    """Which alert it is; its ``alertname`` is among them."""
    annotations: Mapping[str, str]
    starts_at_ms: int
    """When it began to fire."""
    ends_at_ms: int
    """Until when it counts as firing unless it is told again; or when it ended."""
    generator_url: str = ""
    """Where its rule is shown."""
