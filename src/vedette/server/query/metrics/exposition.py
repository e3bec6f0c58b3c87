"""The newest samples of series as text that Prometheus scrapes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from vedette.server.query.promql.engine import DEFAULT_LOOKBACK_MS
from vedette.server.query.promql.json_writer import number
from vedette.server.query.promql.source import STALE_NAN_BITS, SelectRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.promql.labels import Labels, Matcher
    from vedette.server.query.promql.source import SampleSource

__all__ = ["TEXT_TYPE", "exposition"]

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


async def exposition(
    source: SampleSource, tenant: str, selectors: Sequence[tuple[Matcher, ...]], max_samples: int
) -> str:
    """The newest sample of each series that matches; native histograms, and series that ended, are left out.

    Raises:
        QueryLimit: more than `max_samples` samples in the last five minutes.
    """
    now = time.time_ns() // 1_000_000
    requests = [SelectRequest(matchers, now - DEFAULT_LOOKBACK_MS, now) for matchers in selectors]
    answers = await source.select(tenant, requests, max_samples=max_samples)
    newest: dict[Labels, tuple[float, int]] = {}
    for answer in answers:
        stale = answer.values.view("u8") == STALE_NAN_BITS
        for labels, first, last in zip(answer.labels, answer.first.tolist(), answer.last.tolist(), strict=True):
            histogram = answer.histograms is not None and last > first and answer.histograms[last - 1] is not None
            if last > first and not stale[last - 1] and not histogram:
                newest[labels] = float(answer.values[last - 1]), int(answer.times_ms[last - 1])
    lines: list[str] = []
    before = ""
    for labels, (value, at) in sorted(newest.items(), key=lambda item: (dict(item[0]).get("__name__", ""), item[0])):
        name = dict(labels).get("__name__", "")
        if name != before:
            lines.append(f"# TYPE {name} untyped")
            before = name
        rest = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels if key != "__name__")
        lines.append(f"{name}{{{rest}}} {number(value).decode()} {at}")
    return "".join(f"{line}\n" for line in lines)
