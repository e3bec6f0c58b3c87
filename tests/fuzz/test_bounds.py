"""What is rewritten by compiled code, which does not look at bounds by itself, stays within them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "bounds.py"
CASES = re.findall(r"^def (\w+)\(\) -> None:", SCRIPT.read_text(), re.MULTILINE)


@pytest.mark.parametrize("case", CASES)
def test_a_request_that_grows_stays_within_its_room(case):
    run = subprocess.run([sys.executable, str(SCRIPT), case], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
