"""Expressions: evaluate, format, parse, and the exemplars behind them."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from fastapi import APIRouter, Request, Response

from vedette.errors import InvalidInput
from vedette.server.api.compat.prometheus.answers import PrometheusRoute, document, success
from vedette.server.api.compat.prometheus.parameters import Parameters, now_ms, parameters
from vedette.server.api.context import Caller, services_of
from vedette.server.query.metrics.prompb import native_message
from vedette.server.query.promql.ast import Node, VectorSelector
from vedette.server.query.promql.engine import DEFAULT_LOOKBACK_MS, format_query, parse
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.histogram import Histogram
from vedette.server.query.promql.json_writer import number, points_json, to_json
from vedette.server.query.promql.printer import to_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vedette.server.api.context import Services
    from vedette.server.query.promql.engine import QueryResult

__all__ = ["answer_query", "answer_query_range", "query_at_once", "router"]

router = APIRouter(prefix="/prometheus/api/v1", tags=["prometheus"], route_class=PrometheusRoute)

_MOST_POINTS: Final = 11_000
_EXEMPLARS: Final = (files("vedette.server.query.metrics") / "exemplars.sql").read_text(encoding="utf-8")
_PLAIN_PARAMETERS: Final = frozenset({"query", "time"})
_TRUNCATED: Final = "results truncated due to limit"
_MOST_EXEMPLAR_SERIES: Final = 20_000


@router.get("/query", summary="Evaluate an expression at one moment")
@router.post("/query", summary="Evaluate an expression at one moment", name="query_by_form")
async def query(request: Request, caller: Caller) -> Response:
    """`query`, `time`, `timeout`, `limit`, `lookback_delta`, `stats`; as a form, too."""
    body = await answer_query(services_of(request), caller.tenant, await parameters(request))
    return Response(body, media_type="application/json")


@router.get("/query_range", summary="Evaluate an expression over a range of time")
@router.post("/query_range", summary="Evaluate an expression over a range of time", name="query_range_by_form")
async def query_range(request: Request, caller: Caller) -> Response:
    """`query`, `start`, `end`, `step`, `timeout`, `limit`, `lookback_delta`, `stats`; as a form, too.

    Ours alone: with `native_histograms=protobuf`, native histograms are remote write's message in base64, which says
    all of them; Prometheus' JSON does not tell schema and custom bounds.
    """
    body = await answer_query_range(services_of(request), caller.tenant, await parameters(request))
    return Response(body, media_type="application/json")


async def answer_query(services: Services, tenant: str, given: Parameters) -> bytes:
    """Evaluate at one moment; the answer in JSON.

    Raises:
        VedetteError: a parameter or the expression is wrong, or a limit is exceeded.
    """
    at = given.time_ms("time", now_ms())
    return await _evaluated(services, tenant, given, (at, at, 0))


def query_at_once(services: Services, tenant: str, given: Parameters) -> bytes | None:
    """The same where it is plain and about few series in memory, else None.

    Raises:
        VedetteError: as `answer_query` does.
    """
    if not given.has_only(_PLAIN_PARAMETERS):
        return None
    at = given.time_ms("time", now_ms())
    try:
        found = services.metrics.evaluate_at_once(tenant, given.text("query"), at)
    except ParseError as error:
        raise InvalidInput(f'invalid parameter "query": {error}', position=error.position) from error
    if found is None:
        return None
    return document(points_json(at, found.labels, found.values), warnings=found.warnings, infos=found.infos)


async def answer_query_range(services: Services, tenant: str, given: Parameters) -> bytes:
    """Evaluate over a range of time; the answer in JSON.

    Raises:
        VedetteError: a parameter or the expression is wrong, or a limit is exceeded.
    """
    start, end = given.time_ms("start"), given.time_ms("end")
    if end < start:
        raise InvalidInput('invalid parameter "end": end timestamp must not be before start time')
    step = given.duration_ms("step")
    if step <= 0:
        raise InvalidInput(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    if (end - start) // step > _MOST_POINTS:
        raise InvalidInput(
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    return await _evaluated(services, tenant, given, (start, end, step))


async def _evaluated(services: Services, tenant: str, given: Parameters, times_ms: tuple[int, int, int]) -> bytes:
    lookback, limit = DEFAULT_LOOKBACK_MS, given.limit()
    if given.text("lookback_delta"):
        lookback = given.duration_ms("lookback_delta")
        if lookback <= 0:
            raise InvalidInput('invalid parameter "lookback_delta": it must be positive')
    timeout = given.duration_ms("timeout") / 1000 if given.text("timeout") else None
    form = given.text("native_histograms", "json")
    if form not in _NATIVE_FORMS:
        raise InvalidInput(f'invalid parameter "native_histograms": it is one of {", ".join(_NATIVE_FORMS)}')
    text = given.text("query")
    try:
        result = await services.metrics.evaluate(tenant, text, times_ms, lookback_ms=lookback, timeout_seconds=timeout)
    except ParseError as error:
        raise InvalidInput(f'invalid parameter "query": {error}', position=error.position) from error
    warnings = list(result.warnings)
    if limit and len(result.labels) > limit and result.kind in {"vector", "matrix"}:
        result = _first(result, limit)
        warnings.append(_TRUNCATED)
    data = to_json(result, _NATIVE_FORMS[form])
    if given.text("stats"):
        data = data[:-1] + b',"stats":' + _stats(result) + b"}"
    return document(data, warnings=warnings, infos=result.infos)


def _as_message(histogram: Histogram, time_ms: int) -> bytes:
    """Remote write's message, which says all of a histogram, in base64."""
    return b'"%s"' % base64.b64encode(native_message(histogram, time_ms))


_NATIVE_FORMS: Final[dict[str, Callable[[Histogram, int], bytes] | None]] = {"json": None, "protobuf": _as_message}


def _first(result: QueryResult, limit: int) -> QueryResult:
    return dataclasses.replace(
        result,
        labels=list(result.labels)[:limit],
        values=result.values[:limit],
        present=result.present[:limit],
        histograms=None if result.histograms is None else result.histograms[:limit],
    )


def _stats(result: QueryResult) -> bytes:
    stats = result.stats
    total = stats.select_seconds + stats.evaluate_seconds
    return (
        b'{"timings":{"evalTotalTime":%.9f,"resultSortTime":0,"queryPreparationTime":%.9f,"innerEvalTime":%.9f,'
        b'"execQueueTime":0,"execTotalTime":%.9f},"samples":{"totalQueryableSamples":%d,"peakSamples":%d}}'
        % (total, stats.select_seconds, stats.evaluate_seconds, total, stats.samples, stats.peak_points)
    )


@router.get("/format_query", summary="An expression laid out for people")
@router.post("/format_query", summary="An expression laid out for people", name="format_query_by_form")
async def format_(request: Request, caller: Caller) -> Response:  # noqa: ARG001 - whoever asks must be known
    """`query`."""
    given = await parameters(request)
    try:
        return success(format_query(given.text("query")))
    except ParseError as error:
        raise InvalidInput(f'invalid parameter "query": {error}', position=error.position) from error


@router.get("/parse_query", summary="An expression as a tree")
@router.post("/parse_query", summary="An expression as a tree", name="parse_query_by_form")
async def parse_(request: Request, caller: Caller) -> Response:  # noqa: ARG001
    """`query`."""
    given = await parameters(request)
    try:
        return success(to_tree(parse(given.text("query"))))
    except ParseError as error:
        raise InvalidInput(f'invalid parameter "query": {error}', position=error.position) from error


@router.get("/query_exemplars", summary="The exemplars of the series of an expression")
@router.post("/query_exemplars", summary="The exemplars of the series of an expression", name="exemplars_by_form")
async def query_exemplars(request: Request, caller: Caller) -> Response:
    """`query`, `start`, `end`."""
    given = await parameters(request)
    start, end = given.time_ms("start", now_ms() - 3_600_000), given.time_ms("end", now_ms())
    if end < start:
        raise InvalidInput("end timestamp must not be before start timestamp")
    try:
        tree = parse(given.text("query"))
    except ParseError as error:
        raise InvalidInput(f'invalid parameter "query": {error}', position=error.position) from error
    services = services_of(request)
    metrics = await services.metrics.store.of(caller.tenant)
    chosen = [metrics.select(selector.matchers)[0] for selector in _selectors(tree)]
    ordinals = np.unique(np.concatenate(chosen))[:_MOST_EXEMPLAR_SERIES] if chosen else np.empty(0, np.int64)
    if not len(ordinals):
        return success([])
    ids = metrics.index.ids[ordinals].tolist()
    rows = await services.reader.rows(
        caller.tenant,
        _EXEMPLARS.replace("/*series*/", ",".join(map(str, ids))),
        params={"start": start, "end": end},
        settings={"max_query_size": 1 << 24},
    )
    by_id = dict(zip(ids, ordinals.tolist(), strict=True))
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        exemplar = {
            "labels": row["texts"],
            "value": number(float(row["number"])).decode(),
            "timestamp": row["time_ms"] / 1000,
        }
        found.setdefault(by_id[row["series"]], []).append(exemplar)
    return success(
        [
            {"seriesLabels": dict(metrics.index.labels(ordinal)), "exemplars": exemplars}
            for ordinal, exemplars in found.items()
        ]
    )


def _selectors(node: object) -> Iterator[VectorSelector]:
    """Every selector of an expression."""
    if isinstance(node, VectorSelector):
        yield node
    elif isinstance(node, Node):
        for field in dataclasses.fields(node):
            below = getattr(node, field.name)
            for one in below if isinstance(below, list | tuple) else [below]:
                yield from _selectors(one)
