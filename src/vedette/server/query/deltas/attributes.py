"""What selected spans have that the others have not: attributes ranked by how differently their values are spread."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vedette.server.query.sqlfiles import ROWS_AS_JSON, SqlFiles
from vedette.server.query.traces.conditions import (
    OWN_KEYS,
    RANGE,
    attribute_key,
    build_conditions,
    range_params,
    settle,
)
from vedette.server.query.traces.language import parse_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange
    from vedette.server.query.traces.language import Term

__all__ = ["MAX_KEYS", "MAX_VALUES", "Selected", "attribute_deltas"]

MAX_KEYS: Final = 200
MAX_VALUES: Final = 50

_SAMPLED_SPANS: Final = 100_000
"""How many spans of either side are looked at, about: shares of more would not be told apart by eye."""
_LONGEST_VALUE_BYTES: Final = 256
_LEAST_SCORE: Final = 0.01
_FILES: Final = SqlFiles(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Selected:
    """Which of the matching spans are held against the rest.

    `query` is in the language of the search, `range` narrows the time further. With neither, it is the slowest
    twentieth.
    """

    query: str = ""
    range: TimeRange | None = None


async def attribute_deltas(
    reader: Reader,
    tenant: str,
    *,
    terms: Sequence[Term],
    selected: Selected,
    range_: TimeRange,
    limit: int,
    values: int,
) -> bytes:
    """``{"selected", "selected_count", "rest_count", "sampled", "attributes": [{"key", "score", "values"}]}``.

    Of many spans, a sample of each side is counted, and the counts are those of the sample. Keys that the selection
    itself names are left out, as they differ by definition.

    Raises:
        InvalidInput: the selection cannot be read.
    """
    query = selected.query.strip()
    if not query and selected.range is None:
        query = await _slowest(reader, tenant, terms, range_)
    chosen = parse_query(query, source="selected")
    conditions = await settle(reader, tenant, build_conditions([*terms, *chosen]))
    base, picked = " AND ".join(conditions.parts[: len(terms)]) or "1", conditions.parts[len(terms) :]
    params = {**conditions.params, **range_params(range_)}
    if selected.range is not None:
        picked.append(
            "time >= fromUnixTimestamp64Nano({picked_from:Int64}, 'UTC') "
            "AND time < fromUnixTimestamp64Nano({picked_to:Int64}, 'UTC')"
        )
        params |= {"picked_from": selected.range.start_ns, "picked_to": selected.range.end_ns}
    parts = {"range": RANGE, "conditions": f"({base})", "selected": " AND ".join(picked)}
    counted = (await reader.rows(tenant, _FILES.statement("counts", **parts), params=params))[0]
    counts = int(counted["selected"]), int(counted["rest"])
    attributes, sampled = b"[]", False
    if all(counts):
        sampling, sampled = _sampling(parts["selected"], counts)
        sides = counts
        if sampled:
            sampled_parts = parts | {"conditions": f"{parts['conditions']} AND {sampling}"}
            of_sample = (await reader.rows(tenant, _FILES.statement("counts", **sampled_parts), params=params))[0]
            sides = int(of_sample["selected"]), int(of_sample["rest"])
        params |= {
            "selected_count": sides[0],
            "rest_count": sides[1],
            "own_keys": list(OWN_KEYS),
            "asked_keys": [_key_of(term) for term in chosen],
            "longest": _LONGEST_VALUE_BYTES,
            "least_score": _LEAST_SCORE,
            "limit": limit,
            "values": values,
        }
        sql = _FILES.statement("deltas", **parts, sampled=sampling)
        attributes = (await reader.query(tenant, sql, params=params, settings=ROWS_AS_JSON)).strip()
    head = {"selected": query, "selected_count": counts[0], "rest_count": counts[1], "sampled": sampled}
    return json.dumps(head)[:-1].encode() + b', "attributes": ' + attributes + b"}"


async def _slowest(reader: Reader, tenant: str, terms: Sequence[Term], range_: TimeRange) -> str:
    conditions = await settle(reader, tenant, build_conditions(terms))
    sql = _FILES.statement("threshold", range=RANGE, conditions=f"({conditions.sql})")
    row = (await reader.rows(tenant, sql, params={**conditions.params, **range_params(range_)}))[0]
    return f"duration:>={int(row['threshold_ns']) if int(row['spans']) else 0}ns"


def _sampling(selected: str, counts: tuple[int, int]) -> tuple[str, bool]:
    """A condition that keeps about as many spans of either side as are worth counting, by their ids."""
    each = [max(1, count // _SAMPLED_SPANS) for count in counts]
    if each == [1, 1]:
        return "1", False
    return f"if({selected}, cityHash64(ids) % {each[0]} = 0, cityHash64(ids) % {each[1]} = 0)", True


def _key_of(term: Term) -> str:
    """How the answer would name the key of a condition."""
    key = {"operation": "name", "error": "status"}.get(term.key, term.key)
    bare = key.removeprefix("attribute.")
    return key if bare == key else attribute_key(bare)
