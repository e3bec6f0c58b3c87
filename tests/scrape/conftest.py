from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Scraping:
    """A platform that scrapes what it is last told to."""

    platform: Any
    folder: Path

    def of(self, jobs: list[dict[str, Any]], **common: Any) -> Any:
        """Scrape these jobs and no others, with more in `global`; the platform follows in a moment."""
        config: dict[str, Any] = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"} | common}
        config["scrape_configs"] = jobs
        config["scrape_config_files"] = ["more/*.json"]
        (self.folder / "prometheus.new").write_text(json.dumps(config))
        (self.folder / "prometheus.new").rename(self.folder / "prometheus.yml")
        return self.platform


@pytest.fixture(scope="module")
def scraping(new_platform, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scraping")
    platform = new_platform(folder / "data", ["--scrape-config", str(folder / "prometheus.yml")])
    made = Scraping(platform, folder)
    made.of([])
    platform.start()
    yield made
    platform.stop()
