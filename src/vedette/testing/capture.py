"""Capture what a block of code records."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import format_span_id

from vedette.sdk import configure as sdk
from vedette.sdk.context import named
from vedette.sdk.logs.logger import desk
from vedette.sdk.logs.records import level_name, message_of
from vedette.sdk.metrics.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vedette.sdk.traces.span import Span

__all__ = ["CapturedLog", "CapturedSpan", "Telemetry", "capture"]


class CapturedSpan(NamedTuple):
    """A finished span. `parent` is the parent's span id in hex, or `None`."""

    name: str
    attributes: dict[str, Any]
    status: str
    span_id: str
    parent: str | None
    trace_id: str
    duration_ns: int
    events: tuple[str, ...]


class CapturedLog(NamedTuple):
    """A log record with its message formatted."""

    level: str
    logger: str
    message: str
    fields: dict[str, Any]


class _Processor:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def on_start(self, span: Span, parent_context: object = None) -> None:
        """Nothing."""

    def on_end(self, span: Span) -> None:
        """Keep the span."""
        self.spans.append(span)

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the interface of processors
        """Nothing waits."""
        return True


class Telemetry:
    """What was captured so far; grows while the block runs."""

    def __init__(self, processor: _Processor) -> None:
        self._processor = processor
        self._records: list[Any] = []
        self._before = self._values()

    @property
    def spans(self) -> list[CapturedSpan]:
        """The finished spans, in the order in which they ended."""
        return [
            CapturedSpan(
                span.name,
                span.attributes,
                span.status.status_code.name.lower(),
                format_span_id(span._span_id),  # noqa: SLF001 - the SDK's own span
                format_span_id(span._parent_id) if span._parent_id else None,  # noqa: SLF001
                f"{span._trace_id:032x}",  # noqa: SLF001
                span._end - span.start_time,  # noqa: SLF001
                tuple(event.name for event in span.events),
            )
            for span in list(self._processor.spans)
        ]

    @property
    def logs(self) -> list[CapturedLog]:
        """The log records, from our loggers and the standard library's."""
        captured = [record[0].captured(record) for record in list(self._records)]
        return [
            CapturedLog(
                level_name(one.level),
                one.channel.name,
                message_of(one),
                {**named(one.context), **(one.bound or {}), **one.fields},
            )
            for one in captured
        ]

    def metric(self, name: str, **labels: str) -> float:
        """How much a counter, or the count of a histogram, grew since the capture began; a gauge's value."""
        key = (name, tuple(sorted(labels.items())))
        after = self._values()
        family = registry.families.get(name)
        before = 0.0 if family is not None and family.kind == "gauge" else self._before.get(key, 0.0)
        return after.get(key, 0.0) - before

    @staticmethod
    def _values() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        found = {}
        for family in registry.collect():
            for attributes, series in family.items():
                labels = tuple(sorted((str(key), str(value)) for key, value in attributes.items()))
                found[family.name, labels] = float(series.count() if hasattr(series, "count") else _value(series))
        return found

    def tree(self) -> str:
        """The traces as indented span names with their status, for a comparison with what is expected.

        Children are in the order in which they began; ids, times and attributes are left out.
        """
        spans = sorted(self._processor.spans, key=lambda span: span.start_time)
        known = {span._span_id for span in spans}  # noqa: SLF001 - the SDK's own span
        lines: list[str] = []

        def add(parent: int, depth: int) -> None:
            for span in spans:
                above = span._parent_id if span._parent_id in known else 0  # noqa: SLF001
                if above == parent:
                    mark = " (error)" if span.status.status_code.name == "ERROR" else ""
                    lines.append("  " * depth + span.name + mark)
                    add(span._span_id, depth + 1)  # noqa: SLF001

        add(0, 0)
        return "\n".join(lines)

    def assert_spans(self, expected: Sequence[str] | str) -> None:
        """Fail unless the finished spans have these names in this order, or, for a text, this `tree`."""
        if isinstance(expected, str):
            wanted = "\n".join(line.rstrip() for line in expected.strip("\n").splitlines())
            if self.tree() != wanted:
                raise AssertionError(f"The trace is\n\n{self.tree()}\n\nand not\n\n{wanted}")
            return
        names = [span.name for span in self.spans]
        if names != list(expected):
            raise AssertionError(f"The finished spans are {names}, not {list(expected)}.")

    def clear(self) -> None:
        """Forget what was captured."""
        self._processor.spans.clear()
        self._records.clear()
        self._before = self._values()


def _value(series: Any) -> float:  # noqa: ANN401 - any instrument
    return series.value() if hasattr(series, "value") else 1.0


@contextmanager
def capture() -> Iterator[Telemetry]:
    """Capture what is recorded inside the block, in this process.

    A configured SDK goes on as it is and is captured besides; otherwise one that sends and prints nothing is
    configured for the time of the block. A block may configure the SDK itself: what follows is captured as well.
    """
    own = sdk.runtime() is None
    if own:
        sdk.configure("test", export=False, log_format="none", log_level=0, process_metrics=False)
    active = _runtime_now()
    processor = _Processor()
    telemetry = Telemetry(processor)
    held = _Attached(active, telemetry)

    def follow() -> None:
        nonlocal held
        held = _Attached(_runtime_now(), telemetry)

    sdk.configured.append(follow)
    try:
        yield telemetry
    finally:
        sdk.configured.remove(follow)
        held.detach()
        if own:
            sdk.shutdown(0.1)


def _runtime_now() -> sdk.Runtime:
    active = sdk.runtime()
    if active is None:
        raise RuntimeError("The SDK is switched off (VEDETTE_ENABLED or OTEL_SDK_DISABLED): nothing can be captured.")
    return active


class _Attached:
    """What captures the telemetry of one `configure`."""

    def __init__(self, active: sdk.Runtime, telemetry: Telemetry) -> None:
        self._active = active
        self._processor = telemetry._processor  # noqa: SLF001 - a capture's own telemetry
        self._sink = sink = desk.sink
        active.provider.add_span_processor(self._processor)

        def both(record: Any) -> None:  # noqa: ANN401 - a captured record
            telemetry._records.append(record)  # noqa: SLF001
            if sink is not None:
                sink(record)

        desk.redirect(both)

    def detach(self) -> None:
        """Leave the SDK as it was, unless it was shut down meanwhile."""
        self._active.provider.remove_span_processor(self._processor)
        if sdk.runtime() is self._active:
            desk.redirect(self._sink)
