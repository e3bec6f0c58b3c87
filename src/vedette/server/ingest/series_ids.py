"""The id of a series as the engine computes it: see ``engine/schema/0002_metrics.sql``.

Whoever knows the ids of its series sends samples without labels (``engine/formats/samples``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vedette.server.ingest.series_kernel import pair_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["label_hash", "series_id"]


def label_hash(name: str, value: str) -> int:
    """What a label adds to the id of a series."""
    first = name.encode()
    return int(pair_hash(np.frombuffer(first + value.encode(), np.uint8), len(first)))


def series_id(tenant: str, labels: Mapping[str, str]) -> int:
    """The id of a series, whose name is the label ``__name__``. Labels of empty value do not count."""
    total = label_hash("__tenant__", tenant) + sum(label_hash(name, value) for name, value in labels.items() if value)
    return total & 0xFFFFFFFFFFFFFFFF
