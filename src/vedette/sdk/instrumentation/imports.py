"""Do something when a module is imported, now if it is loaded already."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from vedette.sdk.guard import fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["when_imported"]

_waiting: dict[str, list[Callable[[], None]]] = {}


def when_imported(name: str, action: Callable[[], None]) -> None:
    """Run `action` after the top-level module `name` was imported."""
    if name in sys.modules:
        _run(action, name)
        return
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _waiting.setdefault(name, []).append(action)


def _run(action: Callable[[], None], name: str) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - the program's import must not fail for it
        fault(f"instrumenting {name}", error)


class _Finder(MetaPathFinder):
    """Finds awaited modules as the path finder would, with a loader that tells when it is done."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in _waiting:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _Told(spec.loader, name)
        return spec


class _Told(Loader):
    def __init__(self, loader: Any, name: str) -> None:
        self._loader = loader
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """What else the module's own loader can do: give its source, its file, its data."""
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for action in _waiting.pop(self._name, ()):
            _run(action, self._name)


_finder = _Finder()
