"""Every page's Python runs as it is printed, from top to bottom, and has the types that it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "sdk").rglob("*.md"))


def source_of(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))


def name_of(page: Path) -> str:
    return page.stem if page.stem != "README" else f"{page.parent.name}_readme"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_snippets_of_a_page_run(programs, page):
    source = source_of(page)
    assert source
    programs.run(source)


def test_the_snippets_have_the_types_that_they_say(tmp_path):
    """As a user's checker sees them: strict, against the annotations of the package."""
    for page in PAGES:
        (tmp_path / f"page_{name_of(page)}.py").write_text(source_of(page))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--follow-imports", "silent"]
    flags = ["--ignore-missing-imports", "--cache-dir", str(tmp_path / "cache"), str(tmp_path)]
    checked = subprocess.run([*command, *flags], cwd=ROOT / "src", capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
