"""Variables of the environment that begin as ours do: which are misspelt, and which Kubernetes sets by itself."""

from __future__ import annotations

import os
import re
from dataclasses import fields

from vedette.sdk.guard import tell
from vedette.sdk.settings import Settings

__all__ = ["SERVICE_LINK", "tell_misspelt"]

_PREFIX = "VEDETTE_"
SERVICE_LINK = re.compile(
    rf"{_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes puts into every container of a namespace that has a Service named `vedette` or `vedette-…`."""

_LEAD = re.compile(r"(exporter_|otlp_|otel_|sdk_|service_)+")  # words that others' names for the same have before them
_CLOSE = 0.75


def tell_misspelt() -> None:
    """Name, once, the setting that is nearest to each variable that is none.

    One that is near to no setting may be the platform's or anybody's.
    """
    known = [item.name for item in fields(Settings)]
    for variable in sorted(os.environ):
        name = variable.removeprefix(_PREFIX).lower()
        if not variable.startswith(_PREFIX) or name in known or name.startswith("test_"):
            continue
        near = None if SERVICE_LINK.fullmatch(variable) else _nearest(name, known)
        if near is not None:
            tell(f"variable {variable}", f"{variable} is no setting; did you mean {_PREFIX}{near.upper()}?")


def _nearest(name: str, known: list[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - most programs have none that is unknown

    close = get_close_matches(_LEAD.sub("", name) or name, known, 1, _CLOSE) or get_close_matches(
        name, known, 1, _CLOSE
    )
    if close:
        return close[0]
    within = [
        setting for setting in known if name.startswith(f"{setting}_") or (name == "env" and setting == "environment")
    ]
    return max(within, key=len, default=None)
