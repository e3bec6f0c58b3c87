"""Results as a table on the terminal and as JSON in ``bench/results``."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def report(name: str, rows: list[dict[str, object]]) -> None:
    """Print a Markdown table and keep the figures."""
    RESULTS.mkdir(exist_ok=True)
    head = list(rows[0])
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(row.get(key, "")) for key in head) + " |")
    document = {
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "rows": rows,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
