"""What is scraped, left where the server process finds it and shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vedette.server.scrape.pool import Pool

__all__ = ["show"]

_MOST_DROPPED = 100


def show(
    file: Path,
    config: str,
    pools: Mapping[str, Sequence[Pool]],
    external_labels: Sequence[tuple[str, str]] = (),
) -> None:
    """Write down a configuration's text and ``external_labels``, and each tenant's pools with their targets."""
    document = {
        "config": config,
        "external_labels": dict(external_labels),
        "tenants": {tenant: _document(those) for tenant, those in pools.items()},
    }
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(file)


def _document(pools: Sequence[Pool]) -> dict[str, Any]:
    return {
        "pools": sorted(pool.job.name for pool in pools),
        "active": [loop.document(pool.job.name) for pool in pools for loop in list(pool.loops.values())],
        "dropped": [
            {"discoveredLabels": labels, "scrapePool": pool.job.name}
            for pool in pools
            for labels in pool.dropped[: pool.job.keep_dropped_targets or _MOST_DROPPED]
        ],
        "dropped_counts": {pool.job.name: len(pool.dropped) for pool in pools},
    }
