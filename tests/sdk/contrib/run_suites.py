"""Runs contrib's own tests twice, on the official SDK and on ours, and lists what differs.

::

    pip install -e .[contrib-suites]
    python tests/sdk/contrib/run_suites.py fastapi asgi sqlalchemy httpx redis logging

The tests are in the source distributions, which pip downloads; they are no part of this repository. Some of them wait a
hundredth of a second for an answer, or compare two measured durations, and fail now and then on a busy machine with any
SDK: those that failed are run again by themselves, and what passes then passes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

_AGAIN = 5
_OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED) (\S+)", re.MULTILINE)


def fetch(library: str, directory: Path) -> Path:
    name = f"opentelemetry-instrumentation-{library}"
    wanted = f"{name}=={version(name)}"
    command = ["download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest"]
    subprocess.run([sys.executable, "-m", "pip", *command, str(directory), wanted], check=True)
    archive = next(directory.glob(f"{name.replace('-', '_')}-*.tar.gz"))
    with tarfile.open(archive) as held:
        held.extractall(directory, filter="data")
    return directory / archive.name.removesuffix(".tar.gz")


def settled(folder: Path, *plugin: str) -> dict[str, str]:
    """The outcome of each test, where one that fails gets a few more chances."""
    found = outcomes(folder, ["tests"], *plugin)
    for _ in range(_AGAIN):
        failed = [test for test, outcome in found.items() if outcome in {"FAILED", "ERROR"}]
        if failed:
            found |= outcomes(folder, failed, *plugin)
    return found


def outcomes(folder: Path, tests: list[str], *plugin: str) -> dict[str, str]:
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", *tests, "-q", "-rA", "--tb=no", "-p", "no:cacheprovider", *plugin]
    done = subprocess.run(
        [*command, "-p", "no:vedette", "--rootdir", str(folder), "-c", os.devnull],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return {match[2]: match[1] for match in _OUTCOME.finditer(done.stdout)}


def main(libraries: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for library in libraries:
            folder = fetch(library, Path(directory))
            official, ours = settled(folder), settled(folder, "-p", "ours_instead")
            passed = [test for test, outcome in official.items() if outcome == "PASSED"]
            if not passed:
                sys.exit(f"No test of {library} passes on the official SDK. Is the extra contrib-suites installed?")
            differing = sorted(test for test in passed if ours.get(test) != "PASSED")
            print(
                f"{library}: {len(passed) - len(differing)} of {len(passed)} that pass on the official SDK pass on ours"
            )
            for test in differing:
                print(f"    {ours.get(test, 'MISSING')} {test}")


if __name__ == "__main__":
    main(sys.argv[1:])
