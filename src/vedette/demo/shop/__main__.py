"""Entry point of every process of the shop."""

from __future__ import annotations

import importlib
import sys

from vedette.demo import telemetry
from vedette.demo.stage import Stage


def main() -> None:
    """Have this process watched, then run the service that its stage names until it is told to stop."""
    stage = Stage.from_json(sys.argv[1])
    stop = telemetry.start(stage)
    try:
        importlib.import_module(f"vedette.demo.shop.{stage.service}").run(stage)
    finally:
        stop()


if __name__ == "__main__":
    main()
