"""Run every benchmark, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

for name in ("floor", "idle", "ingest", "size", "visible", "queries", "sdk", "sdk_web"):
    print(f"\n## {name}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
