"""SQLAlchemy: a span per statement with its text, duration and rows; N+1 queries; the pools' connections.

The statement's text holds placeholders, never the values; these are attributes where the setting `sql_parameters` asks
for them. Attributes follow OpenTelemetry's database conventions.
"""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from collections.abc import Mapping
from functools import wraps
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry import trace as api
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, get_value, set_value
from opentelemetry.trace import SpanKind

from vedette.sdk.configure import runtime
from vedette.sdk.guard import fault
from vedette.sdk.logs.logger import get_logger
from vedette.sdk.metrics.registry import registry
from vedette.sdk.traces.span import failure
from vedette.sdk.values import text_of

if TYPE_CHECKING:
    from vedette.sdk.traces.span import Span

__all__ = ["instrument", "uninstrument"]

_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}  # where the convention differs from the dialect
_OPERATION = re.compile(r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*(\w+)", re.DOTALL)
_MANY = 10
_MOST_PARAMETERS = 32
_REMEMBERED = 2048
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


def _parameters_wanted() -> bool:
    active = runtime()
    return active is not None and active.settings.sql_parameters


def _parameters(values: Any) -> dict[str, str]:
    """A statement's parameters by name or place, as the convention names them; they are redacted like everything."""
    pairs = values.items() if isinstance(values, Mapping) else enumerate(values or ())
    return {f"db.query.parameter.{key}": text_of(value) for key, value in islice(pairs, _MOST_PARAMETERS)}


class _Statements:
    def __init__(self) -> None:
        self._tracer = api.get_tracer("vedette.sqlalchemy")
        self._seconds = registry.histogram(
            "db_client_operation_duration_seconds",
            "Seconds per database statement",
            ["system", "operation"],
            unit="s",
            buckets=_BUCKETS,
        )
        self._pools = registry.gauge("db_client_connections", "Connections of the pool", ["pool", "state"])
        self._engines: WeakSet[Any] = WeakSet()
        self._heads: dict[int, dict[str, Any]] = {}
        self._repeated: OrderedDict[tuple[int, str], int] = OrderedDict()
        registry.observers.append(self._observe_pools)

    def before(self, conn: Any, _cursor: Any, statement: str, _values: Any, context: Any, many: bool) -> None:
        """`before_cursor_execute`."""
        if get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return
        try:
            found = _OPERATION.match(statement)
            operation = found[1].upper() if found else "QUERY"
            attributes = {**self._head(conn.engine), "db.query.text": statement, "db.operation.name": operation}
            if many:
                attributes["db.operation.batch.size"] = len(_values)
            elif _parameters_wanted():
                attributes |= _parameters(_values)
            self._note_repeat(statement)
            namespace = attributes.get("db.namespace")
            name = f"{operation} {namespace}" if namespace else operation
            span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
            if context is not None:
                context._vedette = (span, perf_counter(), operation)
        except Exception as error:  # noqa: BLE001 - telemetry must not cost the statement
            fault("watching a statement", error)

    def after(self, conn: Any, cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        """`after_cursor_execute`."""
        held = context.__dict__.pop("_vedette", None) if context is not None else None
        if held is None:
            return
        try:
            span, begin, operation = held
            rows = getattr(cursor, "rowcount", -1)
            name = "db.response.returned_rows" if operation == "SELECT" else "db.response.affected_rows"
            # RETURNING: SQLite knows how many when all of them are fetched.
            pending = operation != "SELECT" and rows == 0 and getattr(cursor, "description", None) is not None
            if isinstance(rows, int) and rows >= 0 and not pending:
                span.set_attribute(name, rows)
            self._seconds.labels(self._head(conn.engine)["db.system.name"], operation).observe(perf_counter() - begin)
            span.end()
        except Exception as error:  # noqa: BLE001 - telemetry must not cost the statement
            fault("watching a statement", error)

    def failed(self, exception_context: Any) -> None:
        """`handle_error`."""
        context = exception_context.execution_context
        held = context.__dict__.pop("_vedette", None) if context is not None else None
        if held is None:
            return
        span: Span = held[0]
        error = exception_context.original_exception
        span.record_exception(error)
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(failure(error))
        span.end()

    def _head(self, engine: Any) -> dict[str, Any]:
        head = self._heads.get(id(engine))
        if head is None or engine not in self._engines:
            self._engines.add(engine)
            if "opentelemetry.instrumentation.utils" in sys.modules:  # contrib is there
                _silence(type(engine.dialect), ("do_execute", "do_executemany", "do_execute_no_params"))
            url = engine.url
            head = {"db.system.name": _SYSTEMS.get(engine.dialect.name, engine.dialect.name)}
            if url.database:
                head["db.namespace"] = url.database
            if url.host:
                head["server.address"] = url.host
            if url.port:
                head["server.port"] = url.port
            self._heads[id(engine)] = head
        return head

    def _note_repeat(self, statement: str) -> None:
        """Mark the surrounding span when one statement runs again and again inside it."""
        parent: Any = api.get_current_span()
        if not parent.is_recording():
            return
        key = (parent.get_span_context().span_id, statement)
        count = self._repeated[key] = self._repeated.pop(key, 0) + 1
        if len(self._repeated) > _REMEMBERED:
            self._repeated.popitem(last=False)
        if count >= _MANY:
            parent.set_attribute("db.n_plus_one", True)
            parent.set_attribute("db.n_plus_one.count", count)
        if count == _MANY:
            parent.set_attribute("db.n_plus_one.query", statement)
            get_logger("vedette.sqlalchemy").warning(
                "the same statement ran %d times in one span: load the rows together (N+1)", count, statement=statement
            )

    def _observe_pools(self) -> None:
        for engine in list(self._engines):
            pool, name = engine.pool, engine.url.database or engine.dialect.name
            for state, ask in (("used", "checkedout"), ("idle", "checkedin"), ("overflow", "overflow")):
                method = getattr(pool, ask, None)
                if method is not None:
                    self._pools.labels(name, state).set(max(0, method()))


def _silent(function: Any) -> Any:
    """A dialect's method in which contrib's instrumentation of the driver is silent: it would tell statements again.

    A driver's own thread (aiosqlite's) begins in `connect`, with what is current there.
    """

    @wraps(function)
    def silent(*args: Any, **kwargs: Any) -> Any:
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        try:
            return function(*args, **kwargs)
        finally:
            detach(token)

    return silent


_silenced: dict[tuple[type, str], Any] = {}


def _silence(kind: type, names: tuple[str, ...]) -> None:
    """Silence methods where a dialect or one of its bases has them of its own."""
    for base in kind.__mro__:
        for name in names:
            if name in base.__dict__ and (base, name) not in _silenced and hasattr(base, "create_connect_args"):
                _silenced[base, name] = base.__dict__[name]
                setattr(base, name, _silent(base.__dict__[name]))


_installed: _Statements | None = None


def instrument() -> None:
    """Watch every engine of this process, also those that exist already."""
    global _installed  # noqa: PLW0603 - installed once per process
    if _installed is not None:
        return
    from sqlalchemy import event  # noqa: PLC0415 - an optional package
    from sqlalchemy.engine import Engine  # noqa: PLC0415
    from sqlalchemy.engine.default import DefaultDialect  # noqa: PLC0415

    _installed = _Statements()
    _silence(DefaultDialect, ("connect",))
    event.listen(Engine, "before_cursor_execute", _installed.before)
    event.listen(Engine, "after_cursor_execute", _installed.after)
    event.listen(Engine, "handle_error", _installed.failed)


def uninstrument() -> None:
    """Watch no more."""
    global _installed  # noqa: PLW0603 - installed once per process
    if _installed is None:
        return
    from sqlalchemy import event  # noqa: PLC0415 - an optional package
    from sqlalchemy.engine import Engine  # noqa: PLC0415

    event.remove(Engine, "before_cursor_execute", _installed.before)
    event.remove(Engine, "after_cursor_execute", _installed.after)
    event.remove(Engine, "handle_error", _installed.failed)
    for (kind, name), original in _silenced.items():
        setattr(kind, name, original)
    _silenced.clear()
    _installed = None
