"""Expanding a template: its actions, given data and functions."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.promql.gotext import format_general
from vedette.server.rules.templates import Template, TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vedette.server.rules.templates import Action, Call, Operand, Pipe

__all__ = ["Record", "expand", "is_true", "shown"]

_MOST_CHARACTERS: Final = 1 << 20
_DEEPEST: Final = 100


class Record(dict[str, Any]):
    """A struct of Go: it has these fields and no others."""


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


def expand(
    template: Template,
    data: Any,  # noqa: ANN401
    functions: Mapping[str, Callable[..., Any]],
    variables: Mapping[str, Any],
) -> str:
    """The text of a template.

    Args:
        template: What to expand.
        data: The dot.
        functions: Called by name; they raise `TemplateError` for what they cannot take.
        variables: The variables that are there from the start, each with its ``$``.

    Raises:
        TemplateError: something cannot be expanded.
    """
    run = _Run(template, functions)
    run.scope = [("$", data), *variables.items()]
    run.walk(template.actions, data)
    return "".join(run.out)


def is_true(value: Any) -> bool:  # noqa: ANN401
    """Whether a value counts as true: all but zeros, empty texts, lists and maps, and nothing."""
    return value is not None and value is not False and value not in (0, "", [], {}, ())


def shown(value: Any) -> str:  # noqa: ANN401
    """A value as Go prints it."""
    for kind, show in _SHOWN:
        if isinstance(value, kind):
            return str(show(value))
    return str(value)


def _moment(value: dt.datetime) -> str:
    parts = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    return f"{value:%Y-%m-%d %H:%M:%S}{parts} +0000 UTC"


def _duration(value: dt.timedelta) -> str:
    """Go's ``time.Duration``: ``1h0m1.5s``, and below a second in the unit that fits."""
    microseconds = value // dt.timedelta(microseconds=1)
    sign, rest = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    if not rest:
        return "0s"
    for below, unit, name in ((1000, 1, "µs"), (1_000_000, 1000, "ms")):
        if rest < below:
            return f"{sign}{rest / unit:g}{name}"
    seconds, parts = divmod(rest, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{parts:06d}".rstrip("0") if parts else ""
    longer = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{longer}{seconds}{fraction}s"


_SHOWN: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (type(None), lambda _: "<no value>"),
    (bool, lambda value: "true" if value else "false"),
    (float, format_general),
    (dt.datetime, _moment),
    (dt.timedelta, _duration),
    (Record, lambda value: "{" + " ".join(map(shown, value.values())) + "}"),
    (dict, lambda value: "map[" + " ".join(f"{key}:{shown(value[key])}" for key in sorted(value)) + "]"),
    (list | tuple, lambda value: "[" + " ".join(map(shown, value)) + "]"),
)


class _Run:
    def __init__(self, template: Template, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.out: list[str] = []
        self.scope: list[tuple[str, Any]] = []
        self._template = template
        self._functions = functions
        self._size = 0
        self._depth = 0

    def walk(self, actions: list[Action], dot: Any) -> None:  # noqa: ANN401
        for action in actions:
            self._do(action, dot)

    def _print(self, text: str) -> None:
        self._size += len(text)
        if self._size > _MOST_CHARACTERS:
            raise TemplateError(f"the text is longer than {_MOST_CHARACTERS} characters")
        self.out.append(text)

    def _do(self, action: Action, dot: Any) -> None:  # noqa: ANN401
        kind, known = action.kind, len(self.scope)
        if kind == "text":
            self._print(action.text)
        elif kind == "print" and action.pipe is not None:
            value = self._pipe(action.pipe, dot)
            if not action.pipe.variables:
                self._print(shown(value))
        elif kind == "template":
            self._call_template(action, dot)
        elif kind == "break":
            raise _Break
        elif kind == "continue":
            raise _Continue
        elif action.pipe is not None:
            value = self._pipe(action.pipe, dot)
            if kind == "range":
                self._range(action, action.pipe, value, dot)
            else:
                inner = value if kind == "with" and is_true(value) else dot
                self.walk(action.body if is_true(value) else action.other, inner)
            del self.scope[known:]

    def _call_template(self, action: Action, dot: Any) -> None:  # noqa: ANN401
        actions = self._template.defined.get(action.text)
        if actions is None:
            raise TemplateError(f'template "{action.text}" not defined')
        if self._depth >= _DEEPEST:
            raise TemplateError("templates call each other too deeply")
        inner = self._pipe(action.pipe, dot) if action.pipe is not None else None
        outer, self.scope = self.scope, [("$", inner)]
        self._depth += 1
        self.walk(actions, inner)
        self._depth -= 1
        self.scope = outer

    def _range(self, action: Action, pipe: Pipe, value: Any, dot: Any) -> None:  # noqa: ANN401
        pairs = _pairs(value)
        if not pairs:
            self.walk(action.other, dot)
        known = len(self.scope)
        for key, item in pairs:
            if len(pipe.variables) == 1:
                self._set(pipe, 0, item)
            elif pipe.variables:
                self._set(pipe, 0, key)
                self._set(pipe, 1, item)
            try:
                self.walk(action.body, item)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                del self.scope[known:]

    def _set(self, pipe: Pipe, place: int, value: Any) -> None:  # noqa: ANN401
        name = pipe.variables[place]
        if pipe.is_new:
            self.scope.append((name, value))
            return
        for at in range(len(self.scope) - 1, -1, -1):
            if self.scope[at][0] == name:
                self.scope[at] = (name, value)
                return

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:  # noqa: ANN401
        value: Any = None
        for place, call in enumerate(pipe.calls):
            value = self._call(call, dot, [value] if place else [])
        if len(pipe.variables) == 1:
            self._set(pipe, 0, value)
        return value

    def _call(self, call: Call, dot: Any, before: list[Any]) -> Any:  # noqa: ANN401
        first = call.operands[0]
        if first.kind != "func":
            if len(call.operands) > 1 or before:
                raise TemplateError("can't give arguments to what is no function")
            return self._value(first, dot)
        if first.value in {"and", "or"}:
            return self._lazy(first.value, call, dot, before)
        arguments = [self._value(operand, dot) for operand in call.operands[1:]] + before
        return _fields(self._invoke(str(first.value), arguments), first.fields)

    def _lazy(self, name: str, call: Call, dot: Any, before: list[Any]) -> Any:  # noqa: ANN401
        """The first argument that decides, or the last."""
        value: Any = None
        for operand in call.operands[1:]:
            value = self._value(operand, dot)
            if is_true(value) == (name == "or"):
                return value
        return before[0] if before else value

    def _value(self, operand: Operand, dot: Any) -> Any:  # noqa: ANN401
        if operand.kind == "literal":
            value: Any = operand.value
        elif operand.kind == "dot":
            value = dot
        elif operand.kind == "var":
            value = next(value for name, value in reversed(self.scope) if name == operand.value)
        elif operand.kind == "pipe":
            value = self._pipe(operand.value, dot)
        else:
            value = self._invoke(operand.value, [])
        return _fields(value, operand.fields)

    def _invoke(self, name: str, arguments: list[Any]) -> Any:  # noqa: ANN401
        try:
            return self._functions[name](*arguments)
        except TemplateError as error:
            raise TemplateError(f"error calling {name}: {error}") from error
        except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
            raise TemplateError(f"error calling {name}: its arguments do not fit ({error})") from error


def _fields(value: Any, names: tuple[str, ...]) -> Any:  # noqa: ANN401
    for name in names:
        if isinstance(value, Record) and name not in value:
            raise TemplateError(f"can't evaluate field {name}: there are {', '.join(value)}")
        if isinstance(value, dict):
            value = value.get(name, "")  # what a map of labels has not, is an empty text
        else:
            raise TemplateError(f"can't evaluate field {name} in {shown(value)}")
    return value


def _pairs(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
    """What a range goes through: keys or places, and values."""
    if isinstance(value, dict) and not isinstance(value, Record):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [(i, i) for i in range(min(value, _MOST_CHARACTERS))]
    if value is None:
        return []
    raise TemplateError(f"range can't iterate over {shown(value)}")
