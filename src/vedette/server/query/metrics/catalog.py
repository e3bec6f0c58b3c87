"""The index of a tenant's series, read from the tables and kept up to date."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.errors import QueryLimit
from vedette.server.query.metrics.index import SeriesIndex, ranges
from vedette.server.query.metrics.native import Encoded, Lists, blocks
from vedette.server.query.promql.labels import METRIC_NAME

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.reader import Reader

__all__ = ["METADATA", "Arrivals", "add_blocks", "load_new", "load_series", "read_arrivals"]

_HERE = files("vedette.server.query.metrics")
_ALL_SERIES = (_HERE / "all_series.sql").read_text(encoding="utf-8")
_SERIES_DAYS = (_HERE / "series_days.sql").read_text(encoding="utf-8")
_NEW_SERIES = (_HERE / "new_series.sql").read_text(encoding="utf-8")
_ARRIVALS = (_HERE / "arrivals.sql").read_text(encoding="utf-8")

METADATA = "SELECT name, type, unit, help FROM vedette.metadata FINAL WHERE {name:String} IN ('', name) ORDER BY name"
"""What is known of a metric family, or of all where `name` is empty."""
_MOST_LISTED = 20_000
_SETTINGS = {"max_query_size": 1 << 24}


class Arrivals:
    """What was inserted since a moment: rows of the tables of arrivals as columns."""

    def __init__(self, data: bytes) -> None:
        columns = list(blocks(data))
        names = ("kind", "id", "earliest", "latest", "added")
        none: dict[str, npt.NDArray[Any]] = dict.fromkeys(names, np.empty(0, np.int64))
        found = {name: np.concatenate([block[name] for block in columns]) for name in names} if columns else none
        series = found["kind"] == 0
        self.series: npt.NDArray[np.uint64] = found["id"][series].astype(np.uint64)
        self.days: npt.NDArray[np.int64] = found["earliest"][series]
        self.newest_ms: int = int(found["added"].max()) if len(found["added"]) else 0
        self.samples = self._rows(found, 1)
        self.histograms = self._rows(found, 2)

    @staticmethod
    def _rows(found: dict[str, npt.NDArray[Any]], kind: int) -> set[tuple[int, int, int, int]]:
        """Inserts of samples as (time of insert, earliest, latest, count)."""
        of = found["kind"] == kind
        return set(
            zip(*(found[name][of].tolist() for name in ("added", "earliest", "latest", "id")), strict=True),
        )


async def read_arrivals(reader: Reader, tenant: str, since_ms: int) -> Arrivals:
    """What was inserted since `since_ms`, exclusive."""
    return Arrivals(await reader.query(tenant, _ARRIVALS, fmt="Native", params={"since": since_ms}))


async def load_series(reader: Reader, tenant: str, max_series: int) -> SeriesIndex:
    """Every series of a tenant.

    Raises:
        QueryLimit: it has more than `max_series`.
    """
    index = SeriesIndex()
    days = list(blocks(await reader.query(tenant, _SERIES_DAYS, fmt="Native")))
    _bound(sum(len(block["id"]) for block in days), max_series)
    await asyncio.to_thread(add_blocks, index, await reader.query(tenant, _ALL_SERIES, fmt="Native"))
    for block in days:
        for name in ("first_day", "last_day"):
            _seen_on(index, block["id"], block[name].astype(np.int64))
    return index


async def load_new(
    reader: Reader, tenant: str, index: SeriesIndex, arrivals: Arrivals, since_ms: int, *, max_series: int
) -> None:
    """Add the series that arrived and are not in the index; note on which days all were seen.

    Raises:
        QueryLimit: with them there would be more than `max_series`.
    """
    unknown = np.unique(arrivals.series[index.ordinals_of(arrivals.series) < 0])
    if len(unknown):
        _bound(len(index) + len(unknown), max_series)
        condition = f"id IN ({','.join(map(str, unknown.tolist()))})" if len(unknown) <= _MOST_LISTED else "true"
        sql = _NEW_SERIES.replace("/*series*/", condition)
        data = await reader.query(tenant, sql, fmt="Native", params={"since": since_ms}, settings=_SETTINGS)
        add_blocks(index, data)
    _seen_on(index, arrivals.series, arrivals.days)


def _bound(series: int, most: int) -> None:
    if series > most:
        raise QueryLimit(
            f"this tenant has {series} series, and the labels of {most} at most are kept in memory to be asked for: "
            "the setting metrics_index_series allows more, and tenant_max_series refuses new ones when they come"
        )


def _seen_on(index: SeriesIndex, ids: npt.NDArray[np.uint64], days: npt.NDArray[np.int64]) -> None:
    ordinals = index.ordinals_of(ids)
    index.seen_on(ordinals[ordinals >= 0], days[ordinals >= 0])


def add_blocks(index: SeriesIndex, data: bytes) -> None:
    """Add the series of an answer that are not in the index yet, each of which it has once.

    They are added all at once: the index sorts what it has with every addition.
    """
    ids, sizes, found, firsts, lasts = [], [], [], [], []
    for block in blocks(data):
        fresh = np.flatnonzero(index.ordinals_of(block["id"]) < 0)
        if not len(fresh):
            continue
        ends, pairs = _pairs(index, block)
        begins = np.concatenate([[0], ends[:-1]])
        ids.append(block["id"][fresh].astype(np.uint64))
        sizes.append((ends - begins)[fresh])
        found.append(pairs if len(fresh) == len(ends) else pairs[ranges(begins[fresh], sizes[-1])])
        firsts.append(block["first_day"][fresh].astype(np.int64))
        lasts.append(block["last_day"][fresh].astype(np.int64))
    if ids:
        days = np.concatenate(firsts), np.concatenate(lasts)
        index.add(np.concatenate(ids), np.cumsum(np.concatenate(sizes)), np.concatenate(found), days)


def _pairs(index: SeriesIndex, block: dict[str, Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The numbers of the pairs of every series of a block, the metric's name first.

    A pair is looked up once a block, however many series have it.
    """
    name: Encoded = block["name"]
    keys: Lists = block["keys"]
    values: Lists = block["values"]
    number = index.numbers.number
    # A dictionary holds the empty string, too, used or not.
    used, of_rows = np.unique(name.indexes, return_inverse=True)
    name_numbers = np.array([number(METRIC_NAME, name.keys[i]) for i in used.tolist()], np.int32)[of_rows.reshape(-1)]
    # A key and a value as one number, so that equal pairs are found by sorting.
    joined = keys.items.indexes * max(1, len(values.items.keys)) + values.items.indexes
    unique, inverse = np.unique(joined, return_inverse=True)
    key_texts, value_texts = keys.items.keys, values.items.keys
    of_pairs = np.array(
        [
            number(key_texts[key], value_texts[value])
            for key, value in zip(*(part.tolist() for part in np.divmod(unique, max(1, len(value_texts)))), strict=True)
        ],
        np.int32,
    )
    rows = len(keys.ends)
    ends = keys.ends + np.arange(1, rows + 1)
    pairs = np.empty(int(ends[-1]), np.int32)
    heads = np.concatenate([[0], ends[:-1]])
    pairs[heads] = name_numbers
    rest = np.ones(len(pairs), bool)
    rest[heads] = False
    if len(unique):
        pairs[rest] = of_pairs[inverse.reshape(-1)]
    return ends, pairs
