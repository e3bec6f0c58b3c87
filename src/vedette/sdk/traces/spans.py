"""`vedette.span` and `vedette.traced`: own spans as a context manager and as a decorator."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast, overload

from opentelemetry import trace as api

from vedette.errors import SettingsError
from vedette.sdk.traces.span import Span, failure
from vedette.sdk.values import text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from types import TracebackType

    from vedette.sdk.traces.tracer import Tracer

__all__ = ["SpanContextManager", "current_span", "span", "traced", "use_tracer"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")
_TRACED = "_vedette_traced"

_tracer: Tracer | None = None


class SpanContextManager(Protocol):
    """What `span` gives: a context manager whose value is the span."""

    def __enter__(self) -> api.Span: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


def use_tracer(tracer: Tracer | None) -> None:
    """Make spans by `tracer` from now on; by whatever OpenTelemetry provider is set when it is `None`."""
    global _tracer  # noqa: PLW0603 - one SDK per process
    _tracer = tracer


def span(name: str, /, **attributes: Any) -> SpanContextManager:
    """A span around a `with` block, with `attributes`; an exception that leaves the block is recorded on it.

    Before `configure` it belongs to whatever OpenTelemetry provider is set, by default to none.
    """
    tracer = _tracer
    if tracer is None:
        proxy = api.get_tracer("vedette")
        return cast("SpanContextManager", proxy.start_as_current_span(name, attributes=attributes))
    return tracer.span(name, attributes)


def current_span() -> api.Span:
    """The span that is current here; one that records nothing if there is none."""
    return api.get_current_span()


class _Decorator(Protocol):
    """What `traced` with a name gives."""

    @overload
    def __call__(self, kind: type[_T], /) -> type[_T]: ...

    @overload
    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def traced(kind: type[_T], /) -> type[_T]: ...


@overload
def traced(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def traced(name: str | None = None, /, **attributes: Any) -> _Decorator: ...


def traced(target: Any = None, /, **attributes: Any) -> Any:
    """Give each call of a function a span: ``@traced``, or ``@traced("name", attribute=value)``.

    Works on functions, coroutine functions, generators and asynchronous generators (whose span lasts from the first
    item to the end, and is current while they run, not while they wait for their consumer). Of a class, which stays the
    class it is, the public methods that it defines are traced, and `__call__`; a name stands before theirs.

    Raises:
        SettingsError: what is decorated can not be called.
    """
    if target is None or isinstance(target, str):
        return lambda decorated: _decorate(decorated, target, attributes)
    return _decorate(target, None, attributes)


def _decorate(target: Any, name: str | None, attributes: dict[str, Any]) -> Any:
    if isinstance(target, type):
        for key, member in list(vars(target).items()):
            if _is_public_method(key, member):
                setattr(target, key, _decorate(member, f"{name}.{key}" if name else None, attributes))
        return target
    if isinstance(target, (classmethod, staticmethod)):
        return type(target)(_decorate(target.__func__, name, attributes))
    if not callable(target):
        raise SettingsError(f"vedette.traced decorates functions and classes; {text_of(target)} is neither.")
    return _wrap(target, name or str(getattr(target, "__qualname__", type(target).__qualname__)), attributes)


def _is_public_method(key: str, member: Any) -> bool:
    function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
    public = not key.startswith("_") or key == "__call__"
    return public and inspect.isfunction(function) and not hasattr(function, _TRACED)


def _wrap(function: Any, name: str, attributes: dict[str, Any]) -> Any:
    wrapped = _wrapped(function, name, attributes)
    setattr(wrapped, _TRACED, True)  # a method that has a span of its own needs none by its class
    return wrapped


def _wrapped(function: Any, name: str, attributes: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004

        @wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with span(name, **attributes):
                return await function(*args, **kwargs)

        return call_async
    if inspect.isasyncgenfunction(function):
        return _iterating_async(function, name, attributes)
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def iterate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            return (yield from _iterate(function(*args, **kwargs), name, attributes))

        return iterate

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with span(name, **attributes):
            return function(*args, **kwargs)

    return call


def _start(name: str, attributes: dict[str, Any]) -> api.Span:
    tracer = _tracer if _tracer is not None else api.get_tracer("vedette")
    return tracer.start_span(name, attributes=attributes)


def _resume(held: api.Span, step: Callable[[], Any]) -> tuple[bool, Any]:
    """Run a generator to its next item with the span current; (False, its return value) at its end."""
    with _current(held):
        try:
            return True, step()
        except StopIteration as end:
            return False, end.value


@contextmanager
def _current(held: api.Span) -> Iterator[None]:
    """Make the span current; an exception is recorded and passes on, whatever its text does."""
    with api.use_span(held, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            if isinstance(held, Span):
                held.fail(error)
            else:
                held.record_exception(error)
                held.set_status(failure(error))
            raise


def _iterate(generator: Any, name: str, attributes: dict[str, Any]) -> Generator[Any, Any, Any]:
    held = _start(name, attributes)
    step: Callable[[], Any] = partial(next, generator)
    try:
        while True:
            going, value = _resume(held, step)
            if not going:
                return value
            try:
                sent = yield value
                step = partial(generator.send, sent)
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in by the consumer: it belongs to the generator
                step = partial(generator.throw, error)
    finally:
        held.end()


def _iterating_async(function: Any, name: str, attributes: dict[str, Any]) -> Any:
    @wraps(function)
    async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        generator = function(*args, **kwargs)
        held = _start(name, attributes)
        step: Callable[[], Any] = partial(generator.asend, None)
        try:
            while True:
                with _current(held):
                    try:
                        value = await step()
                    except StopAsyncIteration:
                        return
                try:
                    sent = yield value
                    step = partial(generator.asend, sent)
                except GeneratorExit:
                    await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown in by the consumer: it belongs to the generator
                    step = partial(generator.athrow, error)
        finally:
            held.end()

    return iterate
