# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR0917, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""The ids of series in remote write messages, and leaving out series that are not known, by compiled code.

An id is what the tables compute: the wrapping sum over the labels of ``sipHash64(name, value)``, the tenant being one
(engine/schema/0002_metrics.sql).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.ingest.key_table import place
from vedette.server.ingest.protobuf_kernel import copy, field
from vedette.server.ingest.series_ids import label_message_hash

__all__ = ["EXEMPLARS", "HISTOGRAMS", "NEW", "SAMPLES", "SERIES", "contains", "fill", "select"]

# Places in `facts`: what was left out, and how many new series were let in.
SERIES, SAMPLES, HISTOGRAMS, EXEMPLARS, NEW = range(5)


@compiled
def fill(table: Any, ids: Any) -> int:
    """Add ids to a table that has room for them. Returns how many are new."""
    count = 0
    for i in range(len(ids)):
        at = place(table, ids[i])
        if table[at] == 0:
            table[at] = ids[i]
            count += 1
    return count


@compiled
def contains(table: Any, ids: Any) -> Any:
    """Which ids are in a table."""
    found = np.zeros(len(ids), np.bool_)
    for i in range(len(ids)):
        found[i] = table[place(table, ids[i])] == ids[i]
    return found


@part
def _series_id(data: Any, at: int, end: int, tenant: Any, facts: Any) -> Any:
    """The id of a series, and in `facts` what it holds."""
    found = tenant
    while at < end:
        number, _, begin, at, _ = field(data, at, end)
        if number == 1:
            found += label_message_hash(data, begin, at)
        elif number == 2:
            facts[SAMPLES] += 1
        elif number == 3:
            facts[EXEMPLARS] += 1
        elif number == 4:
            facts[HISTOGRAMS] += 1
    return found


@compiled
def select(data: Any, tenant: Any, table: Any, room: int, facts: Any, added: Any, out: Any) -> int:
    """Copy a checked message without the series that are not in the table, once `room` new ones were let in.

    New ones are added to the table, and their ids put into `added`. Returns the size of the copy.
    """
    own = np.zeros(5, np.int64)
    at = to = 0
    while at < len(data):
        tag = at
        number, _, begin, at, _ = field(data, at, len(data))
        if number < 0:
            break
        if number == 1:
            own[:] = 0
            key = _series_id(data, begin, at, tenant, own)
            where = place(table, key)
            if table[where] == 0:
                if facts[NEW] >= room:
                    facts[:4] += own[:4]
                    facts[SERIES] += 1
                    continue
                table[where] = key
                added[facts[NEW]] = key
                facts[NEW] += 1
        to = copy(out, to, data, tag, at)
    return to
