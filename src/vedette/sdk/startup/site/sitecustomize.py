"""Run by Python at its start when `vedette run` put this folder on the path."""

import sys
from pathlib import Path

_here = str(Path(__file__).parent)
sys.path[:] = [entry for entry in sys.path if entry != _here]
_own = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - the one that this one stands in front of
except ImportError:
    if _own is not None:
        sys.modules["sitecustomize"] = _own

try:
    from vedette.sdk.startup.program import begin

    begin()
except Exception as error:  # noqa: BLE001 - the program runs in any case
    sys.stderr.write(f"vedette: the program is not instrumented: {type(error).__name__}: {error}\n")
