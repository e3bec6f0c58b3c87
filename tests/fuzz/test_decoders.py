"""Every decoder, fed by a fuzzer that watches which lines it reaches."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python")
@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("unpack", 10_000),
        ("json", 20_000),
        ("protobuf", 20_000),
        ("log", 20_000),
        ("lucene", 4_000),
        ("exposition", 8_000),
        ("families", 3_000),
        ("remote_write", 5_000),
        ("http1", 5_000),
        ("http2", 6_000),
    ],
)
def test_a_decoder_raises_nothing_but_what_a_client_may_see(name, runs, tmp_path):
    command = [
        sys.executable,
        str(HERE / "decoders.py"),
        name,
        f"-runs={runs}",
        "-max_len=400",
        "-rss_limit_mb=2048",
        "-seed=1",
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"Done {runs} runs" in run.stderr, run.stderr[-3000:]
