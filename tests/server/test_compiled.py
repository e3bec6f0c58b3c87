"""Code that the compiler kept on disk is used as long as all that it is made of is what it was, and no longer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

OUTER = """
from inner import inner
from vedette.server.compiled import compiled

def _outer(x):
    return inner(x) + 1

outer = compiled(_outer)
"""
INNER = """
from innermost import innermost
from vedette.server.compiled import part

inner = part(lambda x: innermost(x) + 1)
"""
INNERMOST = """
from vedette.server.compiled import lean

innermost = lean(lambda x: x * 10)
"""
READING = """
from figures import FACTOR, FACTORS
from vedette.server.compiled import compiled

def _reading(x):
    return x * FACTOR + FACTORS[1]

reading = compiled(_reading)
"""
FIGURES = """
import numpy as np

FACTOR, FACTORS = 2, np.array([0, 5])
"""
MADE = """
from made import twice
from vedette.server.compiled import compiled

def _making(x):
    return twice(x)

making = compiled(_making)
"""
TWICE = """
from vedette.server.compiled import generated

def _twice():
    from numba import types
    from numba.extending import intrinsic

    def twice(_typing, _x):
        return types.int64(types.int64), lambda _context, builder, _signature, given: builder.add(given[0], given[0])

    return intrinsic(twice)

twice = generated(_twice)
"""
ALONE = """
from vedette.server.compiled import compiled

alone = compiled(lambda x: x)
"""
ASK = """
import json
from alone import alone
from making import making
from outer import outer
from reading import reading

asked = {"outer": outer, "reading": reading, "making": making, "alone": alone}
answers = {name: one(7) for name, one in asked.items()}
compiled = [name for name, one in asked.items() if one.dispatcher().stats.cache_misses]
print(json.dumps([answers, compiled]))
"""


def _ask(folder: Path) -> Any:  # answers by name, and the names of what was compiled for them
    run = subprocess.run([sys.executable, "-c", ASK], cwd=folder, capture_output=True, check=True)
    return json.loads(run.stdout)


def test_code_on_disk_is_of_the_files_it_was_made_of(tmp_path):
    sources = {"outer": OUTER, "inner": INNER, "innermost": INNERMOST, "reading": READING, "figures": FIGURES}
    for name, source in (sources | {"making": MADE, "made": TWICE, "alone": ALONE}).items():
        (tmp_path / f"{name}.py").write_text(source)
    first = {"outer": 72, "reading": 19, "making": 14, "alone": 7}
    assert _ask(tmp_path) == [first, list(first)]
    (tmp_path / "innermost.py").write_text(INNERMOST.replace("* 10", "* 100"))
    (tmp_path / "figures.py").write_text(FIGURES.replace("5]", "50]"))
    (tmp_path / "made.py").write_text(TWICE.replace("builder.add(given[0], given[0])", "given[0]"))
    second = {"outer": 702, "reading": 64, "making": 7, "alone": 7}
    assert _ask(tmp_path) == [second, ["outer", "reading", "making"]]
    assert _ask(tmp_path) == [second, []]
