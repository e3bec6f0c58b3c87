"""What is compiled ahead of the first question, by whom, and that nothing is left for the question itself."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import vedette.server
from vedette.errors import RequestError
from vedette.server.compiled import _Compiled, compiled
from vedette.server.precompile import mark
from vedette.server.precompile.exercises import exercise
from vedette.server.precompile.mark import MODULES
from vedette.server.query.promql.engine import evaluate
from vedette.server.query.promql.json_writer import to_json

sys.path[:0] = [str(Path(__file__).parent.parent / "promql")]

from promql_cases import CASES, options_of, read_cases, source_of  # noqa: E402

CHILD = "vedette.server.precompile.child"


def _compiled_functions() -> dict[str, _Compiled]:
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"vedette.server.{name}")
        found |= {
            f"{name}.{key}": one
            for key, one in vars(module).items()
            if type(one) is _Compiled and one.__wrapped__.__module__ == module.__name__
        }
    return found


def _signatures() -> dict[str, int]:
    return {name: len(one.dispatcher().signatures) for name, one in _compiled_functions().items()}


def test_every_module_with_compiled_functions_is_known():
    root = Path(vedette.server.__file__).parent
    using = {
        str(path.relative_to(root).with_suffix("")).replace("/", ".")
        for path in root.rglob("*.py")
        if "from vedette.server.compiled import" in path.read_text()
    }
    # Those that only name the kernels' decorators.
    using |= {
        f"query.promql.kernels.{name}" for name in ("buckets", "decimals", "groups", "quantiles", "rates", "windows")
    }
    assert using == set(MODULES)


def test_the_process_compiles_everything_that_questions_use():
    while mark.missing_mark():  # another platform's process may be at it
        done = subprocess.run([sys.executable, "-m", CHILD, str(os.getpid())], capture_output=True, check=True)
        assert (done.stdout, done.stderr) == (b"", b"")
        time.sleep(1)
    asyncio.run(exercise())
    known = _signatures()
    within = {"no_cpython_wrapper", "inline"}  # only compiled functions call these
    assert [n for n, one in _compiled_functions().items() if not known[n] and not within & set(one._options)] == []
    asyncio.run(_ask_cases())
    assert _signatures() == known


async def _ask_cases() -> None:
    """A part of Prometheus' own cases, of every kind; what they give is looked at elsewhere."""
    for file in sorted(CASES.glob("*.jsonl")):
        for case in read_cases(file.name)[::20] if file.name != "datasets.jsonl" else ():
            source, options = source_of(case["data"]), options_of(case)
            for step in (case["step"], case["step"] or 15_000):
                times = case["start"], case["end"] + (step - case["step"]), step
                with contextlib.suppress(RequestError):
                    to_json(await evaluate(case["query"], *times, source, "acme", options=options))


def test_where_nothing_can_be_written_functions_are_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr(mark, "_folders", lambda: [Path("/proc/self/nothing"), Path("/dev/null")])
    assert mark.missing_mark() is None
    made: dict[str, Any] = {}
    exec("def twice(number): return 2 * number", made)  # noqa: S102 - there is no folder beside this source
    assert compiled(made["twice"])(21) == 42


def test_a_fresh_installation_compiles_behind_everything_else_and_stops_at_once(make_platform, tmp_path):
    platform = make_platform(NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    server = platform.child("server")
    while not (children := _children_of(server)):
        time.sleep(0.02)
    [child] = children
    while os.sched_getscheduler(child) != os.SCHED_IDLE:
        time.sleep(0.02)
    assert os.getpriority(os.PRIO_PROCESS, child) == 19
    assert platform.request("/readyz").status == 200
    assert platform.stop() == 0
    assert not Path(f"/proc/{child}").exists()


def _children_of(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            owner = (path / "stat").read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if CHILD.encode() in words and int(owner) == parent:
            found.append(int(path.name))
    return found
