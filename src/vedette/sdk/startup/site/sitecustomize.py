"""Run by Python at its start when `vedette run` put this folder on the path."""

import sys
from pathlib import Path

_here = str(Path(__file__).parent)
sys.path[:] = [entry for entry in sys.path if entry != _here]
_own = sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - the one that this one stands in front of
except ImportError:
    pass
except Exception as error:  # noqa: BLE001 - Python tells of it and goes on, too
    sys.stderr.write(f"Error in sitecustomize: {type(error).__name__}: {error}\n")
if _own is not None:  # it has to be there when Python has imported it
    sys.modules.setdefault("sitecustomize", _own)

try:
    from vedette.sdk.startup.program import begin

    begin()
except Exception as error:  # noqa: BLE001 - the program runs in any case
    sys.stderr.write(f"vedette: the program is not instrumented: {type(error).__name__}: {error}\n")
