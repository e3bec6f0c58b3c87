"""Traces in pictures: which attributes make spans slow, and where spans lie in time and duration."""

from __future__ import annotations

from typing import Annotated, Final, cast

from fastapi import APIRouter, Query, Request, Response
from typing_extensions import TypedDict

from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.trace_examples import example
from vedette.server.api.v1.traces import Filter, From, To
from vedette.server.query.deltas.attributes import MAX_KEYS, MAX_VALUES, Selected, attribute_deltas
from vedette.server.query.deltas.heatmap import MAX_COLUMNS, heatmap
from vedette.server.query.timerange import TimeRange, parse_range
from vedette.server.query.traces.conditions import build_conditions
from vedette.server.query.traces.language import parse_query
from vedette.server.query.traces.patterns import check_patterns

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/traces", tags=["traces"])

_JSON: Final = "application/json"


class DeltaValue(TypedDict):
    """One value on both sides; `value` is null for spans without the key. Shares are of 1."""

    value: str | None
    selected_count: int
    rest_count: int
    selected_share: float
    rest_share: float


class DeltaKey(TypedDict):
    """A key by how much it differs: `score` is the largest difference of shares among its values."""

    key: str
    score: float
    values: list[DeltaValue]


class Deltas(TypedDict):
    """What tells the selected spans from the rest."""

    selected: str
    selected_count: int
    rest_count: int
    sampled: bool
    attributes: list[DeltaKey]


class HeatmapRow(TypedDict):
    """The durations of one row of cells."""

    lower_ms: float
    upper_ms: float


_From = TypedDict("_From", {"from": str})


class Heatmap(_From):
    """Cells are `[column, row, count, error_count]`."""

    step_seconds: float
    columns: int
    rows: list[HeatmapRow]
    cells: list[list[int]]
    total_count: int


_DELTAS: Final = {
    "selected": "duration:>=500ms",
    "selected_count": 40,
    "rest_count": 960,
    "sampled": False,
    "attributes": [
        {
            "key": "payment.provider",
            "score": 0.87,
            "values": [
                {
                    "value": "cardhouse",
                    "selected_count": 39,
                    "rest_count": 101,
                    "selected_share": 0.975,
                    "rest_share": 0.1052,
                }
            ],
        }
    ],
}


@router.get(
    "/deltas",
    summary="Which attributes differ between some spans and the rest",
    responses=example(_DELTAS, model=Deltas),
)
async def deltas(
    request: Request,
    caller: Caller,
    *,
    wanted: Filter,
    selected: Annotated[
        str,
        Query(
            description="Which of the matching spans are held against the rest, in the language of `q`. "
            "Default: the slowest twentieth.",
            examples=["duration:>=500ms"],
        ),
    ] = "",
    selected_from: Annotated[str | None, Query(description="Selected spans start here or later, like `from`.")] = None,
    selected_to: Annotated[str | None, Query(description="Selected spans start before this, like `to`.")] = None,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_KEYS, description="Keys at most.")] = 20,
    values: Annotated[int, Query(ge=1, le=MAX_VALUES, description="Values of each key.")] = 8,
) -> Response:
    """Keys ranked by how differently their values are spread: shares among the selected spans, and among the others.

    Every key fits `q` and `breakdown`. Of more than some hundred thousand spans a sample is counted (`sampled`).
    """
    reader = services_of(request).reader
    range_ = parse_range(from_, to)
    terms = wanted.terms()
    await check_patterns(reader, caller.tenant, [*terms, *parse_query(selected, source="selected")])
    body = await attribute_deltas(
        reader,
        caller.tenant,
        terms=terms,
        selected=Selected(selected, _selected_range(selected_from, selected_to, range_)),
        range_=range_,
        limit=limit,
        values=values,
    )
    return Response(body, media_type=_JSON)


@router.get("/heatmap", summary="Where spans lie in time and duration")
async def trace_heatmap(
    request: Request,
    caller: Caller,
    *,
    wanted: Filter,
    from_: From = None,
    to: To = None,
    columns: Annotated[int, Query(ge=1, le=MAX_COLUMNS, description="About how many columns at most.")] = 60,
) -> Heatmap:
    """Counts of matching spans by time and by duration, for a picture: rows rise by the square root of two."""
    reader = services_of(request).reader
    terms = wanted.terms()
    conditions = build_conditions(terms)
    await check_patterns(reader, caller.tenant, terms)
    range_ = parse_range(from_, to)
    found = await heatmap(reader, caller.tenant, conditions=conditions, range_=range_, columns=columns)
    return cast("Heatmap", found)


def _selected_range(from_: str | None, to: str | None, whole: TimeRange) -> TimeRange | None:
    if from_ is None and to is None:
        return None
    chosen = parse_range(from_, to, from_name="selected_from", to_name="selected_to")
    start = chosen.start_ns if from_ is not None else whole.start_ns
    return TimeRange(start, chosen.end_ns if to is not None else whole.end_ns)
