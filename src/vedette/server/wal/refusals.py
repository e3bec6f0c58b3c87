"""What a refusal of the engine means for the records that were refused.

The numbers are ClickHouse's, from src/Common/ErrorCodes.cpp.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.errors import EngineError, QueryLimit

__all__ = ["Refusal", "classify", "nothing_landed"]

# Data that will never be taken: parsing, types, values, nesting, constraints.
_DATA = frozenset(
    {6, 26, 27, 32, 33, 36, 38, 41, 43, 53, 69, 70, 72, 117, 128, 131, 167, 190, 306, 321, 349}
    | {395, 407, 420, 434, 436, 440, 441, 444, 467, 469, 571, 633, 636, 639, 675, 676}
)

# The engine's surroundings: files, space, parts, network, a database that is being restored, a shutdown.
_SURROUNDINGS = frozenset(
    {23, 24, 60, 74, 75, 76, 81, 87, 164, 201, 202, 209, 210, 236, 242, 243, 252, 319, 394, 425, 439, 473, 497}
    | {516, 568, 585, 586, 598, 672, 721, 999}
)
_NO_SPACE = re.compile(r"No space left|Read-only file system|Input/output error|Too many open files", re.IGNORECASE)
_WHOLE_SERVER = re.compile(r"\((?:total|for user)\)", re.IGNORECASE)
_MEMORY = 241

_VIEW = re.compile(r"while pushing to view ([^\s:]+)", re.IGNORECASE)


class Refusal(enum.Enum):
    """Why the engine refused: by `DATA` never to be taken, in a way that `PASSES`, or for a reason `UNCLEAR`."""

    DATA = enum.auto()
    PASSES = enum.auto()
    UNCLEAR = enum.auto()


def classify(error: EngineError | QueryLimit) -> Refusal:
    """What kind of refusal this is."""
    code, text = getattr(error, "code", 0), str(error)
    if code in _SURROUNDINGS or _NO_SPACE.search(text):
        return Refusal.PASSES
    if code == _MEMORY and _WHOLE_SERVER.search(text):  # others use it up; these records are not the cause
        return Refusal.PASSES
    return Refusal.DATA if code in _DATA else Refusal.UNCLEAR


def nothing_landed(error: EngineError | QueryLimit) -> bool:
    """Whether no table can hold any row of the refused insert.

    Views are filled one after the other, and what an earlier one stored stays when a later one fails. Only the views
    that read a wire format's own table (``in_…``) run before anything is stored.
    """
    return all(view.removeprefix("vedette.").startswith("in_") for view in _VIEW.findall(str(error)))
