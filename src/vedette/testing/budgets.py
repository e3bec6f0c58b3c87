"""Telemetry budgets: a test fails when a piece of code begins to do more than it did."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.sdk.agents.conventions import cost_usd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from vedette.testing.capture import CapturedSpan, Telemetry

__all__ = ["BudgetBroken", "TelemetryBudget", "usage_of"]

_COSTS = ("gen_ai.usage.cost_usd", "operation.cost")  # ours, PydanticAI's


class BudgetBroken(AssertionError):
    """A telemetry budget was not held; the message names what was used and what was allowed."""


@dataclass(frozen=True, kw_only=True)
class TelemetryBudget:
    """The most that a block may use; `None` is unlimited.

    `repeated_queries` is how often one and the same statement may run (N+1); `errors` counts spans that failed and
    records of level error and above.
    """

    spans: int | None = None
    queries: int | None = None
    repeated_queries: int | None = None
    requests: int | None = None
    logs: int | None = None
    errors: int | None = None
    tokens: int | None = None
    usd: float | None = None

    def check(self, telemetry: Telemetry) -> None:
        """Fail if `telemetry` is over this budget.

        Raises:
            BudgetBroken: it is.
        """
        used = usage_of(telemetry)
        over = [
            f"{name}: {used[name]:g} of {limit:g}"
            for name, limit in asdict(self).items()
            if limit is not None and used[name] > limit
        ]
        if over:
            raise BudgetBroken("Over the telemetry budget: " + ", ".join(over))

    @staticmethod
    def check_baseline(telemetry: Telemetry, path: str | PathLike[str], tolerance: float = 0.0) -> None:
        """Fail if `telemetry` uses more than the baseline stored at `path`; store it there if there is none.

        `tolerance` allows a share more: 0.1 is ten percent. Delete the file to accept a new baseline.

        Raises:
            BudgetBroken: more is used.
        """
        used, file = usage_of(telemetry), Path(path)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(used, indent=1) + "\n")
            return
        stored = json.loads(file.read_text())
        over = [
            f"{name}: {value:g}, baseline {stored.get(name, 0):g}"
            for name, value in used.items()
            if value > stored.get(name, 0) * (1 + tolerance)
        ]
        if over:
            raise BudgetBroken(f"Over the baseline {path}: " + ", ".join(over))


def usage_of(telemetry: Telemetry) -> dict[str, float]:
    """What was used, by the names of the budget's fields."""
    spans = telemetry.spans
    statements = Counter(str(span.attributes["db.query.text"]) for span in spans if "db.query.text" in span.attributes)
    logs = telemetry.logs
    calls = _model_calls(spans)
    return {
        "spans": len(spans),
        "queries": sum(statements.values()),
        "repeated_queries": max(statements.values(), default=0),
        "requests": sum("url.full" in span.attributes for span in spans),
        "logs": len(logs),
        "errors": sum(span.status == "error" for span in spans)
        + sum(log.level in {"error", "critical"} for log in logs),
        "tokens": sum(sum(_tokens(span)) for span in calls),
        "usd": sum(map(_usd, calls)),
    }


def _model_calls(spans: Sequence[CapturedSpan]) -> list[CapturedSpan]:
    """The spans with tokens that have none with tokens inside: an agent's own span may add up those of its calls."""
    with_tokens = {span.span_id: span for span in spans if any(_tokens(span))}
    parents = {span.span_id: span.parent for span in spans}
    around: set[str] = set()
    for span in with_tokens.values():
        above = span.parent
        while above is not None and above not in around:
            around.add(above)
            above = parents.get(above)
    return [span for span_id, span in with_tokens.items() if span_id not in around]


def _tokens(span: CapturedSpan) -> tuple[int, int]:
    kinds = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
    put_in, given_out = (int(span.attributes.get(kind) or 0) for kind in kinds)
    return put_in, given_out


def _usd(span: CapturedSpan) -> float:
    """What a call cost, as its span says or else by the prices of its model: most instrumentations do not say it."""
    said = span.attributes
    for key in _COSTS:
        if key in said:
            return float(said[key])
    provider = str(said.get("gen_ai.provider.name") or said.get("gen_ai.system") or "")
    model = str(said.get("gen_ai.response.model") or said.get("gen_ai.request.model") or "")
    return cost_usd(provider, model, *_tokens(span)) or 0.0
