"""A platform that evaluates rule files, and how tests talk to it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path[:0] = [str(Path(__file__).parent.parent / "remote_write")]

from write_requests import ONE, PATH, packed, sample, series_one  # noqa: E402

TENANT = "ruled"


class Ruled:
    """A platform that follows the rule files of a folder."""

    def __init__(self, new_platform: Any, folder: Path) -> None:
        self.folder = folder / "rules"
        self.folder.mkdir()
        flags = ["--rule-files", f"{self.folder}/*.yml", "--rules-tenant", TENANT, "--rules-interval", "1s"]
        flags += ["--rules-patience", "3s"]
        flags += ["--scrape-config", f"{folder}/prometheus.yml"]
        self.configure({})
        self.platform = new_platform(folder / "data", flags).start()

    def configure(self, config: dict[str, Any]) -> None:
        """What Prometheus' own configuration file says."""
        temporary = self.folder.parent / "prometheus.tmp"
        temporary.write_text(json.dumps(config))
        temporary.rename(self.folder.parent / "prometheus.yml")

    def write(self, name: str, *groups: dict[str, Any]) -> None:
        temporary = self.folder / f"{name}.tmp"
        temporary.write_text(json.dumps({"groups": groups}))
        temporary.rename(self.folder / f"{name}.yml")

    def remove(self, name: str) -> None:
        (self.folder / f"{name}.yml").unlink()

    def send(self, *series: bytes) -> None:
        answer = self.platform.request(PATH, packed(b"".join(series)), headers=ONE | {"X-Scope-OrgID": TENANT})
        assert answer.status == 204, answer.body

    def api(self, path: str, tenant: str = TENANT, **form: Any) -> Any:
        found = self.platform.request(
            f"/prometheus/api/v1/{path}?{urlencode(form, doseq=True)}", headers={"X-Scope-OrgID": tenant}
        ).json()
        assert found["status"] == "success", found
        return found

    def vector(self, query: str) -> dict[str, Any]:
        found = self.api("query", query=query)["data"]["result"]
        return {json.dumps(one["metric"], sort_keys=True): one.get("value", one.get("histogram"))[1] for one in found}

    def wait(self, query: str, expected: Any) -> None:
        while list(self.vector(query).values()) != expected:
            time.sleep(0.1)

    def group(self, name: str) -> Any:
        """A group once it has been evaluated."""
        while True:
            found = self.api("rules", **{"rule_group[]": name})["data"]["groups"]
            if found and not found[0]["lastEvaluation"].startswith("0001"):
                return found[0]
            time.sleep(0.1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def gauge(name: str, value: float, **labels: str) -> bytes:
    pairs = sorted({"__name__": name, **labels}.items())
    return series_one(pairs, (2, sample(value, now_ms())))
