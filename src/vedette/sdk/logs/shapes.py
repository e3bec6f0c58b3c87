"""Fields that records share, and names of fields that meet: what the functions compiled for sites ask."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from vedette.sdk.context import CORRELATION_ID
from vedette.sdk.values import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from vedette.sdk.logs.records import Record

__all__ = ["A_CORRELATION_ID", "NameSets", "Names", "SharedFields", "agreement", "compiled_run"]

_MOST_KEPT = 1024
_FEW = 16
_Made = TypeVar("_Made", str, bytes)
if TYPE_CHECKING:
    Run: TypeAlias = Callable[[Iterable[Record], Callable[[_Made], None]], None]
    """Hands on what is made of records of one site, one after the other."""
A_CORRELATION_ID = (CORRELATION_ID,)
"""The names of a context that is a correlation id alone."""


class Names(NamedTuple):
    """The names of a context's and a logger's fields; the same object for the same names."""

    names: frozenset[Any]
    apart: bool  # whether no name is in both


_NO_NAMES = Names(frozenset(), apart=True)


class NameSets(dict[tuple[tuple[Any, ...], tuple[Any, ...]], Names]):
    """Names by the tuples of those of a context and of a logger, so that they are compared by identity."""

    __slots__ = ()

    def __missing__(self, key: tuple[tuple[Any, ...], tuple[Any, ...]]) -> Names:
        if len(self) >= _MOST_KEPT:
            self.clear()
        one, other = frozenset(key[0]), frozenset(key[1])
        found = self[key] = Names(one | other, one.isdisjoint(other))
        return found


class _Kept(dict[Any, _Made]):
    """What `make` made of each key; of many, all are forgotten."""

    __slots__ = ("_make",)
    _make: Callable[[Any], _Made]

    def __init__(self, make: Callable[[Any], _Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> _Made:
        if len(self) >= _MOST_KEPT:
            self.clear()
        made: _Made = self._make(key)
        self[key] = made
        return made


class _Bound(Generic[_Made]):
    """What was made of a logger's fields, and their names together with those of the context beside them last."""

    __slots__ = ("beside", "made", "names", "together")

    def __init__(self, made: _Made, names: tuple[Any, ...]) -> None:
        self.made: _Made = made
        self.names = names
        self.beside: tuple[Any, ...] | None = None
        self.together = _NO_NAMES


class SharedFields(Generic[_Made]):
    """What consecutive records share: the fields of a request and of a logger, which do not change once made.

    `made` is what was made of both, `of_bound` of the logger's alone, `names` are their names. `contexts` and `spans`
    keep for a while what was made of correlation ids and of spans: of a request it is made once for all of its records.
    """

    def __init__(self, nothing: _Made) -> None:
        self.context: Any = None
        self.bound: Any = None
        self.made: _Made = nothing
        self.of_bound: _Made = nothing
        self.contexts: dict[str, _Made] = _Kept(self.make_context)
        self.spans: dict[Any, _Made] = _Kept(self.make_span)
        self.names = _NO_NAMES
        self._of_context: _Made = nothing
        self._context_names: tuple[Any, ...] = ()
        self._unbound: _Bound[_Made] = _Bound(nothing, ())
        self._of_bound: _Bound[_Made] = self._unbound
        self._shared: dict[Shared, _Bound[_Made]] = {}
        self._name_sets = NameSets()

    def make_context(self, context: dict[str, Any] | str) -> _Made:
        """What is made of the fields of a context."""
        raise NotImplementedError

    def make_bound(self, bound: dict[str, Any]) -> _Made:
        """What is made of the fields of a logger."""
        raise NotImplementedError

    def make_span(self, span: Any) -> _Made:
        """What is made of the ids of a span, or of `None`."""
        raise NotImplementedError

    def forget(self) -> None:
        """Let go of the requests that were seen, but for a few."""
        if len(self.spans) > _FEW:
            self.spans.clear()

    def share(self, context: Any, bound: dict[str, Any] | None) -> None:
        """Take over a context's and a logger's fields, for the next record of the same as well."""
        if context is not self.context:
            self.context = context
            if type(context) is str:
                self._of_context, self._context_names = self.make_context(context), A_CORRELATION_ID
            elif context:
                self._of_context, self._context_names = self.make_context(context), tuple(context)
            else:
                self._of_context, self._context_names = self._unbound.made, ()
        if bound is not self.bound:
            self.bound = bound
            self._of_bound = self._bind(bound) if bound else self._unbound
        held = self._of_bound
        if held.beside is not self._context_names:
            held.beside = self._context_names
            held.together = self._name_sets[self._context_names, held.names]
        self.names = held.together
        self.of_bound = held.made
        self.made = self._of_context + held.made

    def _bind(self, bound: dict[str, Any]) -> _Bound[_Made]:
        if type(bound) is not Shared:
            return _Bound(self.make_bound(bound), tuple(bound))
        known = self._shared.get(bound)
        if known is None:
            if len(self._shared) >= _MOST_KEPT:
                self._shared.clear()
            known = self._shared[bound] = _Bound(self.make_bound(bound), tuple(bound))
        return known


def agreement(names: frozenset[str]) -> tuple[list[Any], Callable[[Names], bool]]:
    """Whether the names of context, logger and fields do not meet; the list holds what was found fine the last time."""
    agreed: list[Any] = [None]

    def agrees(shared: Names) -> bool:
        if not shared.apart or not shared.names.isdisjoint(names):
            return False
        agreed[0] = shared
        return True

    return agreed, agrees


# Nothing of a record is `of`. What is in the way of `each` goes the long way.
_RUN = """
def run(records, put, of=of, contexts=contexts, spans=spans{locals}):
    held_context, held_bound, held_span, alike = of, of, of, False
{begin}    for record in records:
        _, at, bound, context, span, message{values} = record
        if span is not held_span:
            of_span, held_span = spans[span], span
        if context is not held_context or bound is not held_bound:
            if alike and bound is held_bound and type(context) is str:
                shared = contexts[context] + of_bound
            else:
                if context is not of.context or bound is not of.bound:
                    of.share(context, bound)
                shared, of_bound = of.made, of.of_bound
                apart = of.names is agreed[0] or agrees(of.names)
                alike = apart and type(context) is str
            held_context, held_bound = context, bound
        if not apart:
            put(full(record))
            continue
{each}"""


def compiled_run(
    of: SharedFields[_Made],
    values: Sequence[str],
    made: dict[str, Any],
    *,
    begin: str,
    each: str,
    known: Sequence[str] = (),
) -> Run[_Made]:
    """A function for the records of one site: `each` puts what becomes of one, `begin` is done before the first.

    `each` has `at`, `message`, the `values` by these names, `shared` (of context and logger) and `of_span`. `made` has
    what it asks for, the site's `agreed` and `agrees`, and `full`, the long way; of these, `known` are made local.
    """
    source = _RUN.format(
        locals="".join([f", {name}={name}" for name in known]),
        values="".join([f", {value}" for value in values]),
        begin=indent(begin, " " * 4),
        each=indent(each, " " * 8),
    )
    made |= {"of": of, "contexts": of.contexts, "spans": of.spans}
    exec(source, made)  # noqa: S102 - keys and names are in it as escaped text alone
    run: Run[_Made] = made["run"]
    return run
