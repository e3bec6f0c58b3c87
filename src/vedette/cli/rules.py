"""``vedette rules backfill``: what recording rules would have recorded, written by remote write."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, RequestFailed, ServerUrl, reporting
from vedette.cli.query_promql import ask, moment_of, seconds_of

if TYPE_CHECKING:
    from vedette.server.query.promql.labels import Labels
    from vedette.server.rules.files import Rule, RuleGroup

__all__ = ["app"]

app = typer.Typer(help="Work with Prometheus' rule files.", no_args_is_help=True)

_STEPS: Final = 1_000
"""Steps of one question; Prometheus' API gives at most 11,000."""
_MESSAGE_BYTES: Final = 4 << 20
_OF_THE_RULE: Final = (400, 422)
"""Statuses of a question that cannot be answered, whoever asks."""
_WRITE: Final = "/prometheus/api/v1/write"


@app.callback()
def root() -> None:
    """Keep ``backfill`` a command of its own."""


@app.command("backfill")
def backfill(
    files: Annotated[list[Path], typer.Argument(help="Rule files.", show_default=False)],
    *,
    start: Annotated[str, typer.Option("--start", help="The first moment, RFC 3339 or Unix time.", show_default=False)],
    end: Annotated[str, typer.Option("--end", help="The last moment.", show_default="now")] = "",
    eval_interval: Annotated[str, typer.Option("--eval-interval", help="Of groups that name none.")] = "1m",
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Evaluate the recording rules of files over the past, and write what they record by remote write.

    Rules are evaluated in the order of the files, each seeing what was recorded before it. Backfilling twice is the
    same as once. A rule that fails is said and left out, and so are alerting rules.
    """
    from vedette.server.rules.files import load_rules  # noqa: PLC0415 - only this command needs the server half

    with reporting():
        groups = [group for path in files for group in load_rules(path)]
        client = Client(url, api_key)
        began, ended = moment_of(client, start, "--start"), moment_of(client, end or f"{time.time():.3f}", "--end")
        if ended < began:
            raise RequestFailed("--end lies before --start.", status=400)
        interval = seconds_of(client, eval_interval, "--eval-interval")
        run = _Backfill(client, round(began * 1000), round(ended * 1000), interval)
        failed = 0
        for group, rule in [(one, rule) for one in groups for rule in one.rules if rule.record]:
            try:
                samples = run.rule(group, rule)
            except RequestFailed as error:
                if error.status not in _OF_THE_RULE:
                    raise
                failed += 1
                typer.echo(f"{group.name}: {error}", err=True)
            else:
                typer.echo(f"{group.name}: {rule.record}: {samples} samples")
        if failed:
            raise RequestFailed(f"{failed} of the rules failed; the others are recorded.", status=422)


class _Backfill:
    def __init__(self, client: Client, start_ms: int, end_ms: int, interval_seconds: float) -> None:
        self._client = client
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._interval_seconds = interval_seconds
        self._written: dict[str, tuple[Labels, int]] = {}

    def rule(self, group: RuleGroup, rule: Rule) -> int:
        """Backfill one rule. Returns how many samples it recorded."""
        step = max(1, round((group.interval_seconds or self._interval_seconds) * 1000))
        self._wait_for(rule)
        # Moments are whole intervals since 1970, so that a second run comes to the same.
        first = -(-self._start_ms // step) * step
        count = 0
        before: dict[Labels, int] = {}
        for begin in range(first, self._end_ms + 1, step * _STEPS):
            end = min(begin + step * (_STEPS - 1), self._end_ms // step * step)
            found, before = self._stretch(group, rule, (begin, end, step), before)
            count += found
        return count

    def _stretch(
        self, group: RuleGroup, rule: Rule, times_ms: tuple[int, int, int], before: dict[Labels, int]
    ) -> tuple[int, dict[Labels, int]]:
        """Evaluate and write some steps; `before` and the answer are the series with a sample in the last step."""
        from vedette.server.query.promql.labels import METRIC_NAME  # noqa: PLC0415
        from vedette.server.rules.evaluation import with_labels  # noqa: PLC0415

        begin, end, step = times_ms
        offset = round(group.query_offset_seconds * 1000)
        form: dict[str, object] = {
            "query": rule.expr,
            "start": (begin - offset) / 1000,
            "end": (end - offset) / 1000,
            "step": step / 1000,
        }
        # Prometheus' JSON of a native histogram does not say all of it.
        form["native_histograms"] = "protobuf"
        series: dict[Labels, dict[int, bytes]] = {}
        for one in ask(self._client, "query_range", form)["data"]["result"]:
            labels = with_labels(tuple(one["metric"].items()), {METRIC_NAME: rule.record, **rule.labels})
            if labels in series:
                raise RequestFailed(
                    f"{rule.record}: two series would have the same labels, {dict(labels)}.", status=422
                )
            series[labels] = _points(one)
        most = max((sum(at in points for points in series.values()) for at in _times(series)), default=0)
        if group.limit and most > group.limit:
            raise RequestFailed(f"{rule.record}: exceeded limit of {group.limit} with {most} series.", status=422)
        count = sum(map(len, series.values()))
        for labels in before:
            series.setdefault(labels, {})
        self._write(series, before, (begin - offset, end - offset, step))
        last = end - offset
        for labels, points in series.items():
            if points:
                self._written[rule.record] = labels, max(points)
        return count, {labels: last for labels, points in series.items() if last in points}

    def _write(
        self, series: dict[Labels, dict[int, bytes]], before: dict[Labels, int], times_ms: tuple[int, int, int]
    ) -> None:
        """Send samples, and a stale marker where a series ends."""
        from vedette.server.query.metrics import prompb  # noqa: PLC0415

        begin, end, step = times_ms
        message = bytearray()
        for labels, points in series.items():
            samples, was_there = [], labels in before
            for at in range(begin, end + 1, step):
                is_there = at in points
                if is_there or was_there:
                    samples.append(points[at] if is_there else prompb.sample(prompb.STALE, at))
                was_there = is_there
            message += prompb.series(prompb.labels(labels), b"".join(samples)) if samples else b""
            if len(message) > _MESSAGE_BYTES:
                self._send(bytes(message))
                message.clear()
        if message:
            self._send(bytes(message))

    def _send(self, message: bytes) -> None:
        import cramjam  # noqa: PLC0415 - the server's

        packed = bytes(cramjam.snappy.compress_raw(message))
        self._client.send(_WRITE, packed, content_type="application/x-protobuf", content_encoding="snappy")

    def _wait_for(self, rule: Rule) -> None:
        """Wait until what this run recorded before and the rule may ask for can be read: it takes a second or two."""
        from vedette.server.query.promql.gotext import format_labels, quote  # noqa: PLC0415

        for name, (labels, at_ms) in self._written.items():
            if name in rule.expr or "__name__" in rule.expr:
                pairs = tuple((key, text) for key, text in labels if key != "__name__")
                selector = f"{{{quote(name)}{', ' if pairs else ''}{format_labels(pairs)[1:]}"
                while not ask(self._client, "query", {"query": f"{selector}[1ms]", "time": at_ms / 1000})["data"][
                    "result"
                ]:
                    time.sleep(0.2)


def _points(found: dict[str, Any]) -> dict[int, bytes]:
    """The samples of a series of an answer as remote write has them, by time in milliseconds."""
    from vedette.server.query.metrics import prompb  # noqa: PLC0415

    times = {at: round(at * 1000) for at, _ in (*found.get("values", ()), *found.get("histograms", ()))}
    points = {times[at]: prompb.sample(float(text), times[at]) for at, text in found.get("values", ())}
    points |= {times[at]: prompb.field(4, base64.b64decode(text)) for at, text in found.get("histograms", ())}
    return points


def _times(series: dict[Any, dict[int, bytes]]) -> set[int]:
    return {at for points in series.values() for at in points}
