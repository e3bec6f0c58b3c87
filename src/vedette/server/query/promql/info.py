"""info(): labels of info metrics, joined to the series that they describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.ast import Call, Node, SubqueryExpr, VectorSelector
from vedette.server.query.promql.block import Block, Bools, Ints, label_value, merge_same_labels, set_labels
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.gotext import format_labels
from vedette.server.query.promql.kernels import rates
from vedette.server.query.promql.labels import METRIC_NAME, Labels, Matcher, quote_regex
from vedette.server.query.promql.source import SelectRequest

if TYPE_CHECKING:
    from vedette.server.query.promql.evaluator import Evaluator

_TARGET_INFO: Final = Matcher(METRIC_NAME, "=", "target_info")
_ANY_INFO: Final = Matcher(METRIC_NAME, "=~", ".+_info")
_IDENTIFYING: Final = ("instance", "job")


@dataclass(slots=True)
class _InfoSeries:
    """Info metrics: their labels, where they have a sample, and how old that is."""

    labels: list[Labels]
    times: Ints
    present: Bools


def enrich(evaluator: Evaluator, node: Call) -> Block:
    """Evaluate a call of info()."""
    block = evaluator.vector(node.args[0])
    selector = node.args[1] if len(node.args) > 1 else None
    matchers = selector.matchers if isinstance(selector, VectorSelector) else ()
    name_matchers = [one for one in matchers if one.name == METRIC_NAME]
    data_matchers = [one for one in matchers if one.name != METRIC_NAME]
    if name_matchers and all(one.op in {"!=", "!~"} for one in name_matchers):
        name_matchers.append(_ANY_INFO)
    name_matchers = name_matchers or [_TARGET_INFO]
    # Info metrics are not described by others.
    ignored = [all(one.matches(label_value(labels, METRIC_NAME)) for one in name_matchers) for labels in block.labels]
    found = _fetch(evaluator, node, block, ignored, name_matchers, data_matchers)
    return _join(block, ignored, found, data_matchers)


def _fetch(
    evaluator: Evaluator,
    node: Call,
    block: Block,
    ignored: list[bool],
    name_matchers: list[Matcher],
    data_matchers: list[Matcher],
) -> _InfoSeries:
    context, steps = evaluator.context, evaluator.steps
    identities = []
    for name in _IDENTIFYING:
        values = {label_value(labels, name) for labels, skip in zip(block.labels, ignored, strict=True) if not skip}
        values.discard("")
        if values:
            identities.append(Matcher(name, "=~", "|".join(quote_regex(value) for value in sorted(values))))
    if not identities or context.select is None:
        return _InfoSeries([], np.empty((0, steps.count), np.int64), np.empty((0, steps.count), np.bool_))
    ends = _seen_times(node.args[0], steps.times)
    ends = steps.times if ends is None else ends
    request = SelectRequest(
        (*name_matchers, *identities, *data_matchers),
        int(ends.min()) - context.lookback_ms + 1,
        int(ends.max()),
        step_ms=steps.step_ms if ends.max() > ends.min() else 0,
        function="info",
        moment_ms=int(ends.min()),
    )
    (selected,) = context.select([request])
    if selected.resolution_ms:
        ends = ends - ends % selected.resolution_ms
    chosen = np.empty((len(selected.labels), steps.count), np.int64)
    if chosen.size:
        rates.latest(
            selected.first,
            selected.last,
            selected.times_ms,
            selected.values.view(np.int64),
            ends,
            context.lookback_ms,
            chosen,
        )
    present = chosen >= 0
    pool = selected.histograms
    if pool is not None and any(pool[index] is not None for index in chosen[present]):
        row = next(i for i in range(len(chosen)) if any(pool[x] is not None for x in chosen[i] if x >= 0))
        raise EvaluationError(
            f"this should be an info metric, with float samples: {format_labels(selected.labels[row])}"
        )
    times = selected.times_ms[chosen] if len(selected.times_ms) else chosen
    return _InfoSeries(list(selected.labels), times, present)


def _seen_times(node: Node, times: Ints) -> Ints | None:
    """The moments that the first selector of an expression looks at; None if there is none."""
    if isinstance(node, VectorSelector | SubqueryExpr):
        times = (times if node.at_ms is None else np.full_like(times, node.at_ms)) - node.offset_ms
    if isinstance(node, VectorSelector):
        return times
    below = [getattr(node, name, None) for name in ("selector", "expr", "lhs", "rhs")]
    for one in [*below, *getattr(node, "args", ())]:
        found = _seen_times(one, times) if isinstance(one, Node) else None
        if found is not None:
            return found
    return None


def _join(block: Block, ignored: list[bool], found: _InfoSeries, data_matchers: list[Matcher]) -> Block:
    """For every row and every combination of info series that it meets, one row."""
    by_identity: dict[Labels, dict[str, list[int]]] = {}
    for row, labels in enumerate(found.labels):
        identity = tuple(pair for pair in labels if pair[0] in _IDENTIFYING)
        by_identity.setdefault(identity, {}).setdefault(label_value(labels, METRIC_NAME), []).append(row)
    seen_at = {
        (identity, name): _newest(found, rows)
        for identity, names in by_identity.items()
        for name, rows in names.items()
    }
    needs_match = any(not matcher.matches("") for matcher in data_matchers)
    allowed = {matcher.name for matcher in data_matchers}
    rows: list[int] = []
    labels_out: list[Labels] = []
    masks: list[Bools] = []
    for row, labels in enumerate(block.labels):
        if ignored[row]:
            rows.append(row)
            labels_out.append(labels)
            masks.append(block.present[row])
            continue
        identity = tuple(pair for pair in labels if pair[0] in _IDENTIFYING)
        infos = [seen_at[identity, name] for name in by_identity.get(identity, {})]
        keys = np.stack(infos) if infos else np.full((1, block.steps), -1, np.int64)
        for combination in np.unique(keys[:, block.present[row]], axis=1).T:
            mask = block.present[row] & (keys == combination[:, None]).all(axis=0)
            joined = [found.labels[index] for index in combination if index >= 0]
            if not joined and needs_match:
                continue
            rows.append(row)
            labels_out.append(_merge(labels, joined, allowed))
            masks.append(mask)
    taken = block.take(rows)
    present = np.array(masks) if masks else taken.present
    return merge_same_labels(Block(labels_out, taken.values, present, taken.histograms, taken.drop_name))


def _newest(found: _InfoSeries, rows: list[int]) -> Ints:
    """For every step, the series of the newest sample, or -1."""
    best = np.full(found.times.shape[1], -1, np.int64)
    times = np.full(found.times.shape[1], np.iinfo(np.int64).min)
    for row in rows:
        present, at = found.present[row], found.times[row]
        double = present & (best >= 0) & (at == times)
        if double.any():
            step = int(np.flatnonzero(double)[0])
            raise EvaluationError(
                f"found duplicate series for info metric: existing {format_labels(found.labels[best[step]])} "
                f"@ {times[step]}, new {format_labels(found.labels[row])} @ {at[step]}"
            )
        newer = present & (at > times)
        best[newer], times[newer] = row, at[newer]
    return best


def _merge(base: Labels, infos: list[Labels], allowed: set[str]) -> Labels:
    known = dict(base)
    added: dict[str, str] = {}
    for labels in infos:
        for name, value in labels:
            if name == METRIC_NAME or (allowed and name not in allowed):
                continue
            if added.get(name, value) != value:
                raise EvaluationError(f"conflicting label: {name}")
            if name not in known:
                added[name] = value
    return set_labels(base, added) if added else base
