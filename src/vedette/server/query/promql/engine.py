"""Queries from text to answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

import numpy as np

from vedette.server.query.promql.annotations import Annotations
from vedette.server.query.promql.ast import Node, ValueType
from vedette.server.query.promql.block import Block, Bools, Floats, Histograms, Ints, is_set
from vedette.server.query.promql.context import DEFAULT_LOOKBACK_MS, Context, Limits, Options, Steps
from vedette.server.query.promql.errors import EvaluationError, QueryTimeout
from vedette.server.query.promql.evaluator import Evaluator
from vedette.server.query.promql.few_series import Part, Unusual, is_plain
from vedette.server.query.promql.histogram import Histogram
from vedette.server.query.promql.names import finish_names
from vedette.server.query.promql.planner import QueryTimes, prepare
from vedette.server.query.promql.plans import parse, plans
from vedette.server.query.promql.printer import format_expr
from vedette.server.query.promql.selectors import extended_samples
from vedette.server.query.promql.shapes import questions

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Sequence

    from vedette.server.query.promql.labels import Labels
    from vedette.server.query.promql.source import HoldingSource, SampleSource, SelectedSeries, SelectRequest

__all__ = [
    "DEFAULT_LOOKBACK_MS",
    "FewPoints",
    "Limits",
    "Options",
    "QueryResult",
    "QueryStats",
    "evaluate",
    "evaluate_few",
    "format_query",
    "parse",
    "requests_of",
]

_T = TypeVar("_T")
Kind = Literal["scalar", "string", "vector", "matrix"]
_INLINE_SAMPLES: Final = 100_000
_INLINE_POINTS: Final = 1_000_000
"""Points that the parts of an expression have on the event loop, at most, with one series each."""
_MOMENT_SECONDS: Final = 0.005


def format_query(text: str) -> str:
    """The expression laid out for people.

    Raises:
        ParseError: with Prometheus' message, the place in front.
    """
    return format_expr(parse(text))


@dataclass(slots=True)
class QueryStats:
    """What a query took: the samples that were read, the most points held by one part, and seconds."""

    samples: int = 0
    peak_points: int = 0
    select_seconds: float = 0.0
    evaluate_seconds: float = 0.0


@dataclass(slots=True)
class QueryResult:
    """A query's answer.

    `kind` is Prometheus' result type. Of a ``string``, `string` is the value. Of a ``scalar`` and a ``vector`` the only
    step, `times_ms[0]`, is the time of evaluation. Row `i` of `values` belongs to `labels[i]`, its points exist where
    `present` says so; a point is a histogram where `histograms` has one. A ``matrix`` that comes from a range selector
    has the samples' own times: every moment at which some series has a sample is a step then.
    """

    kind: Kind
    times_ms: Ints
    labels: Sequence[Labels] = ()
    values: Floats = field(default_factory=lambda: np.empty((0, 0)))
    present: Bools = field(default_factory=lambda: np.empty((0, 0), np.bool_))
    histograms: Histograms | None = None
    string: str = ""
    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    stats: QueryStats = field(default_factory=QueryStats)


@dataclass(frozen=True, slots=True)
class FewPoints:
    """The answer to a query at one moment over few series: a float of each."""

    labels: Sequence[Labels]
    values: Sequence[float]
    warnings: Sequence[str]
    infos: Sequence[str]


def requests_of(text: str, at_ms: int, options: Options | None = None) -> list[SelectRequest]:
    """What an instant query at a moment will ask its source for.

    Raises:
        ParseError: the text is no expression.
    """
    times, plan = QueryTimes(at_ms, at_ms, 0), plans[text]
    tree = plan.tree if plan.tree is not None else prepare(parse(text), times)
    return plan.requests_of(tree, times, DEFAULT_LOOKBACK_MS, (options or Options()).subquery_step_ms).requests


async def evaluate(
    text: str,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    source: SampleSource,
    tenant: str,
    limits: Limits | None = None,
    lookback_ms: int = DEFAULT_LOOKBACK_MS,
    options: Options | None = None,
) -> QueryResult:
    """Evaluate an expression: an instant query if `step_ms` is 0, else a range query of every step from start to end.

    Samples are read in one call. Then small queries are computed at once, others in a thread, so that the event loop
    goes on; cancelling the task stops the computation.

    Raises:
        ParseError: the text is no expression.
        EvaluationError: it cannot be evaluated on this data.
        TooManySamples: a limit of samples or series is exceeded.
        QueryTimeout: the time is over.
    """
    limits, options = limits or Limits(), options or Options()
    began = time.monotonic()
    parsed = parse(text)
    if step_ms and parsed.type not in {ValueType.SCALAR, ValueType.VECTOR}:
        raise EvaluationError(
            f'invalid expression type "{parsed.type.documented}" for range query, must be Scalar or instant Vector'
        )
    times = QueryTimes(start_ms, end_ms, step_ms)
    plan = plans[text]
    tree = plan.tree if plan.tree is not None else prepare(parsed, times)
    requests = plan.requests_of(tree, times, lookback_ms, options.subquery_step_ms)
    context = Context(Annotations(text), limits, options, lookback_ms, began + limits.timeout_seconds)
    steps = Steps(start_ms, step_ms or 1, (end_ms - start_ms) // step_ms + 1 if step_ms else 1)
    if requests.requests:
        context.data = await _in_time(
            source.select(tenant, requests.requests, max_samples=limits.max_samples), limits.timeout_seconds
        )
    context.places = requests.places
    samples = sum(_size(one) for one in context.data)
    for one in context.data:
        if one.warnings or one.infos:
            context.annotations.add_foreign(one.warnings, one.infos)
    selected = time.monotonic()
    # A subquery may have any number of moments, even of an expression that reads nothing.
    is_small = samples * steps.count <= _INLINE_SAMPLES and plan.parts * steps.count <= _INLINE_POINTS
    if is_small and not plan.has_info and not plan.has_subquery:
        result = None if step_ms or plan.part is None else _of_few(plan.part, context, start_ms)
        if result is None:
            result = _compute(tree, context, steps, instant=not step_ms)
    else:
        result = await _compute_in_thread(tree, context, steps, source, tenant, instant=not step_ms)
    result.stats = QueryStats(samples, context.peak_samples, selected - began, time.monotonic() - selected)
    result.warnings, result.infos = context.annotations.texts()
    return result


def evaluate_few(
    text: str, at_ms: int, source: HoldingSource, tenant: str, limits: Limits, options: Options
) -> FewPoints | None:
    """Do `evaluate` at one moment, where the expression is plain and its samples few and in memory; None elsewhere.

    Raises:
        ParseError, EvaluationError, TooManySamples: as `evaluate` does.
    """
    question = questions[text]
    if question is None:
        return None
    data = source.held(tenant, question.requests, at_ms, max_samples=limits.max_samples)
    if data is None or sum([_size(one) for one in data]) > _INLINE_SAMPLES:
        return None
    annotations = Annotations(text, question.place)
    deadline = time.monotonic() + limits.timeout_seconds
    context = Context(
        annotations, limits, options, DEFAULT_LOOKBACK_MS, deadline, data, question.places, question.numbers
    )
    if not is_plain(data, context):
        return None
    try:
        points = question.part(context, at_ms)
    except Unusual:
        return None
    for one in data:
        if one.warnings or one.infos:
            annotations.add_foreign(one.warnings, one.infos)
    return FewPoints(points.labels, points.values, *annotations.texts())


async def _in_time(selecting: Coroutine[Any, Any, _T], seconds: float) -> _T:
    """What a source answers, unless it takes longer. Most answers are in memory, and need no alarm."""
    try:
        waited_for = selecting.send(None)
    except StopIteration as found:
        answer: _T = found.value
        return answer
    try:
        async with asyncio.timeout(seconds) as alarm:
            return await _Begun(selecting, waited_for)
    except TimeoutError as error:
        if alarm.expired():
            raise QueryTimeout("query timed out in query preparation") from error
        raise


@dataclass(frozen=True, slots=True)
class _Begun(Generic[_T]):
    """The rest of a coroutine that has run up to the first thing that it waits for."""

    coroutine: Coroutine[Any, Any, _T]
    waited_for: Any

    def __await__(self) -> Generator[Any, Any, _T]:
        waited_for = self.waited_for
        try:
            while True:
                try:
                    sent = yield waited_for
                except BaseException as error:  # noqa: BLE001 - the coroutine's to handle
                    waited_for = self.coroutine.throw(error)
                else:
                    waited_for = self.coroutine.send(sent)
        except StopIteration as end:
            found: _T = end.value
            return found


async def _compute_in_thread(
    tree: Node, context: Context, steps: Steps, source: SampleSource, tenant: str, *, instant: bool
) -> QueryResult:
    loop = asyncio.get_running_loop()

    def select(requests: list[SelectRequest]) -> Sequence[SelectedSeries]:
        answer = source.select(tenant, requests, max_samples=context.limits.max_samples)
        return asyncio.run_coroutine_threadsafe(_await(answer), loop).result(context.limits.timeout_seconds)

    context.select, context.stop = select, np.zeros(1, np.int64)
    work = asyncio.to_thread(_compute, tree, context, steps, instant=instant)
    task = asyncio.ensure_future(work)
    # A moment behind the deadline, so that the checkpoint behind what is stopped sees that it has passed.
    alarm = loop.call_later(context.deadline - time.monotonic() + _MOMENT_SECONDS, context.stop.fill, 1)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        context.cancelled = True
        context.stop.fill(1)
        raise
    finally:
        alarm.cancel()


async def _await(answer: object) -> Sequence[SelectedSeries]:
    return await answer  # type: ignore[misc,no-any-return]


def _size(selected: SelectedSeries) -> int:
    """How many samples were selected."""
    return int(np.add.reduce(selected.last - selected.first)) if selected.samples is None else selected.samples


def _of_few(part: Part, context: Context, moment_ms: int) -> QueryResult | None:
    """The answer at one moment over few series, None where the evaluator has to give it."""
    if not is_plain(context.data, context):
        return None
    context.checkpoint()
    try:
        points = part(context, moment_ms)
    except Unusual:  # what it has noted, the evaluator notes, too
        return None
    context.peak_samples = max([len(one.labels) for one in context.data], default=0)
    values = np.array(points.values, np.float64).reshape(-1, 1)
    return QueryResult("vector", np.array([moment_ms]), points.labels, values, np.ones(values.shape, np.bool_))


def _compute(tree: Node, context: Context, steps: Steps, *, instant: bool) -> QueryResult:
    evaluator = Evaluator(context, steps)
    kind = tree.type
    if kind is ValueType.STRING:
        return QueryResult("string", steps.times, string=evaluator.string(tree))
    if kind is ValueType.MATRIX:
        return _raw_samples(evaluator, tree)
    if kind is ValueType.SCALAR:
        values = evaluator.scalar(tree)
        block = Block([()], values.reshape(1, -1), np.ones((1, len(values)), np.bool_))
        return _result("scalar" if instant else "matrix", block, steps)
    block = finish_names(evaluator.vector(tree))
    if not instant:
        block = block.take(sorted(range(len(block.labels)), key=block.labels.__getitem__))
    return _result("vector" if instant else "matrix", block, steps)


def _result(kind: Kind, block: Block, steps: Steps) -> QueryResult:
    return QueryResult(kind, steps.times, block.labels, block.values, block.present, block.histograms)


def _raw_samples(evaluator: Evaluator, tree: Node) -> QueryResult:
    """The samples of a range selector at their own times."""
    windows = evaluator.windows(tree)
    end = int(windows.ends_ms[0])
    series: list[tuple[Labels, list[tuple[int, float | Histogram]]]] = []
    moments: set[int] = set()
    for row, labels in enumerate(windows.labels):
        samples: list[tuple[int, float | Histogram]] = []
        pool = windows.histograms
        if windows.anchored or windows.smoothed:
            samples += extended_samples(evaluator.context, windows, row)
            pool = None
        else:
            samples += [
                (int(windows.times_ms[i]), float(windows.values[i]))
                for i in range(windows.first[row], windows.last[row])
                if end - windows.width_ms < windows.times_ms[i] <= end
            ]
        if pool is not None:
            samples += [
                (int(pool.times_ms[i]), pool.samples[i])
                for i in range(pool.first[row], pool.last[row])
                if end - windows.width_ms < pool.times_ms[i] <= end
            ]
        if samples:
            series.append((labels, samples))
            moments.update(at for at, _ in samples)
    series.sort(key=lambda one: one[0])
    times = np.array(sorted(moments), np.int64)
    places = {int(at): place for place, at in enumerate(times)}
    shape = (len(series), len(times))
    values, present, histograms = np.zeros(shape), np.zeros(shape, np.bool_), np.full(shape, None, np.object_)
    for row, (_, samples) in enumerate(series):
        for at, sample in samples:
            present[row, places[at]] = True
            if isinstance(sample, Histogram):
                histograms[row, places[at]] = sample
            else:
                values[row, places[at]] = sample
    found = bool(is_set(histograms).any())
    labels_out = [labels for labels, _ in series]
    return QueryResult("matrix", times, labels_out, values, present, histograms if found else None)
