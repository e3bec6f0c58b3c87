"""Functions over arrays that become machine code when they are first called.

numba is loaded then and not before: it is a third of the memory and of the start of a server that nobody has asked for
metrics yet. The code is kept on disk, so that only the first call of the first run compiles; where nothing can be
written, every run does.

A function's code has those within that it calls, and the constants that it reads; to see whether what is on disk is of
today, the compiler looks at the file of the function alone. Here it is told of all of them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TypeVar, cast

__all__ = ["compiled", "generated", "lean", "part"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_LOCK = threading.RLock()


def compiled(function: _Function, **options: object) -> _Function:
    """Compile `function` when first called; it then runs without the interpreter's lock.

    Args:
        function: A function of arrays and numbers, with positional arguments, that calls only such functions.
        options: More options for ``numba.njit``.
    """
    return cast("_Function", _Compiled(cast("FunctionType", function), options))


def part(function: _Function, **options: object) -> _Function:
    """Compile a function for compiled functions alone: without what calls from Python need, it takes a third less."""
    return compiled(function, no_cpython_wrapper=True, **options)


def lean(function: _Function) -> _Function:
    """The same for a function that makes no arrays, nor does what it calls: nobody counts who holds those it is given.

    To count takes most of the time of a small function that returns from within a loop.
    """
    return part(function, _nrt=False)


def generated(build: Callable[[], object]) -> Callable[..., Any]:
    """A function for compiled functions alone, whose code `build` makes when the first of them is compiled.

    Args:
        build: Gives a ``numba.extending.intrinsic``; it loads numba itself.
    """
    return _Generated(build)


class _Compiled:
    __slots__ = ("__wrapped__", "_dispatcher", "_options")

    def __init__(self, function: FunctionType, options: dict[str, Any]) -> None:
        self.__wrapped__ = function
        self._options = options
        self._dispatcher: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
        return (self._dispatcher or self.dispatcher())(*arguments)

    def dispatcher(self) -> Callable[..., Any]:
        """What numba calls the compiled function."""
        with _LOCK:
            if self._dispatcher is None:
                import numba  # noqa: PLC0415 - the point of this module
                from numba.core import cpu  # noqa: PLC0415

                # The compiler knows the functions that this one calls only as its own.
                around = self.__wrapped__.__globals__
                made_of = {_file(self.__wrapped__.__code__.co_filename)}
                for name in _names(self.__wrapped__.__code__):
                    if isinstance(used := around.get(name), _Compiled):
                        used = around[name] = used.dispatcher()
                    made_of |= _MADE_OF.get(id(used)) or _constant(name, used)
                # Nothing calls by C, and each way to be called is compiled on its own.
                options = {"nogil": True, "no_cfunc_wrapper": True} | self._options
                if not hasattr(cpu.CPUTargetOptions, "_nrt"):  # numba's own: without it functions are only slower
                    options.pop("_nrt", None)
                try:
                    made = numba.njit(self.__wrapped__, cache=True, **options)
                except RuntimeError:  # there is no folder that the compiler may write
                    made = numba.njit(self.__wrapped__, **options)
                self._dispatcher = _for_all_numbers(made)
                _MADE_OF[id(made)] = frozenset(made_of)
                _stamp(made, made_of)
            return cast("Callable[..., Any]", self._dispatcher)


class _Generated(_Compiled):
    __slots__ = ("_build",)

    def __init__(self, build: Callable[[], object]) -> None:
        self._build = cast("FunctionType", build)
        self._dispatcher = None

    def dispatcher(self) -> Callable[..., Any]:
        """What numba calls the generated function."""
        with _LOCK:
            if self._dispatcher is None:
                self._dispatcher = cast("Callable[..., Any]", self._build())
                _MADE_OF[id(self._dispatcher)] = frozenset({_file(self._build.__code__.co_filename)})
            return self._dispatcher


_MADE_OF: dict[int, frozenset[str]] = {}
"""What the code of a dispatcher, and of all that it calls, is made of, by `id()`: they live as long as the process."""


@cache
def _file(path: str) -> str:
    try:
        facts = Path(path).stat()
    except OSError:  # within an archive, at which the compiler looks itself
        return Path(path).name
    return f"{Path(path).name} {facts.st_mtime_ns} {facts.st_size}"


def _constant(name: str, value: object) -> set[str]:
    """The value, which may be of another module, as the compiler freezes it; nothing for what is no constant."""
    if isinstance(value, (int, float, str, bytes, tuple)):
        return {f"{name} {value!r}"}
    if (content := getattr(value, "tobytes", None)) and (kind := getattr(value, "dtype", None)):  # numpy's
        return {f"{name} {kind} {getattr(value, 'shape', ())} {content().hex()}"}
    return set()


def _stamp(dispatcher: Any, made_of: set[str]) -> None:  # noqa: ANN401 - numba's own
    """Have what is on disk count only while all that it is made of is what it was."""
    kept: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(kept, "_source_stamp"):  # numba's own: without it the function's file alone counts
        everything = hashlib.sha256("\n".join(sorted(made_of)).encode()).hexdigest()
        kept._source_stamp = kept._source_stamp, everything  # noqa: SLF001


def _for_all_numbers(dispatcher: Any) -> Any:  # noqa: ANN401 - numba's own
    """Have a function compiled once for a type, not once more for each constant that a compiled function gives it."""
    from numba.core import types  # noqa: PLC0415 - see above

    if dispatcher.__class__ is FunctionType:  # NUMBA_DISABLE_JIT: for tools that watch which lines run
        return dispatcher
    unliteral: Callable[[Any], Any] = types.unliteral
    template = dispatcher.get_call_template

    def get_call_template(arguments: Any, named: Any) -> Any:  # noqa: ANN401
        return template(tuple(map(unliteral, arguments)), {name: unliteral(one) for name, one in named.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher


def _names(code: CodeType) -> set[str]:
    """Global names that the code, or a function within it, uses."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
