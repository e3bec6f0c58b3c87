"""What the platform costs when nothing happens, and how soon it is ready: memory, CPU, seconds to ready."""

from __future__ import annotations

import time

from bench.platform import Platform
from bench.report import report

_WATCH_SECONDS = 60.0


def main() -> None:
    with Platform() as first:
        first_start = first.seconds_to_ready
        data_dir = first.data_dir
        time.sleep(10)
        before = first.processes()
        time.sleep(_WATCH_SECONDS)
        after = first.processes()
        first._process.terminate()  # noqa: SLF001 - the directory is used once more
        first._process.wait()  # noqa: SLF001
        with Platform(data_dir=data_dir) as again:
            second_start = again.seconds_to_ready
    rows: list[dict[str, object]] = [
        {
            "process": name,
            "resident MB": round(after[name][1] / 1e6),
            "% of a core": round((after[name][0] - before[name][0]) / _WATCH_SECONDS * 100, 2),
        }
        for name in sorted(after)
    ]
    rows.append(
        {
            "process": "all",
            "resident MB": round(sum(size for _, size in after.values()) / 1e6),
            "% of a core": round(sum(after[n][0] - before[n][0] for n in after) / _WATCH_SECONDS * 100, 2),
        }
    )
    rows.append({"process": f"ready after {first_start:.1f} s (first start), {second_start:.1f} s (again)"})
    report("idle", rows)


if __name__ == "__main__":
    main()
