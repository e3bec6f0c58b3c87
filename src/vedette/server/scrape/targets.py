"""From a job's discovery to its targets: labels, relabeling, address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from vedette.errors import SettingsError
from vedette.server.rules.yaml_text import texts_of
from vedette.server.scrape.durations import duration_text, parse_duration_seconds
from vedette.server.scrape.relabel import relabel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.server.scrape.config import Job

__all__ = ["Group", "Target", "check_addresses", "groups_from_document", "resolve"]

Group = tuple[tuple[str, ...], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped: its URL, its labels, and how it was discovered, which makes no other target of it."""

    url: str
    labels: tuple[tuple[str, str], ...]
    discovered: tuple[tuple[str, str], ...] = field(compare=False)
    interval_seconds: float
    timeout_seconds: float

    def offset_seconds(self) -> float:
        """When in its interval it is scraped: targets are spread, and stay where they are."""
        digest = hashlib.blake2b(f"{self.url}{self.labels}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64 * self.interval_seconds


def resolve(job: Job, groups: Iterable[Group]) -> tuple[list[Target], list[dict[str, str]]]:
    """The targets of some groups after relabeling, and the discovered labels of those that it drops."""
    targets: dict[tuple[object, ...], Target] = {}
    dropped: list[dict[str, str]] = []
    for addresses, labels in groups:
        for address in addresses:
            discovered = _discovered(job, address, labels)
            kept = relabel(discovered, job.relabel)
            if kept is None or not kept.get("__address__"):
                dropped.append(discovered)
                continue
            target = _target(job, kept, discovered)
            targets[target.url, target.labels] = target
    return list(targets.values()), dropped


def check_addresses(job: Job) -> None:
    """Look at the addresses that a job's own targets have after relabeling, as a scrape would only fail.

    Raises:
        SettingsError: one is no host.
    """
    for addresses, labels in job.discovery.groups:
        for address in addresses:
            kept = relabel(_discovered(job, address, dict(labels)), job.relabel)
            if kept is not None and "/" in (found := kept.get("__address__", "")):
                raise SettingsError(
                    f"job {job.name!r}: static_configs: {address!r} has the address {found!r} after relabeling, "
                    "which is no host with a port, such as localhost:9100."
                )


def _discovered(job: Job, address: str, labels: dict[str, str]) -> dict[str, str]:
    """A target's labels before relabeling."""
    return {
        "job": job.name,
        "__scheme__": job.scheme,
        "__metrics_path__": job.path,
        "__scrape_interval__": duration_text(job.interval_seconds),
        "__scrape_timeout__": duration_text(job.timeout_seconds),
        **{f"__param_{name}": values[0] for name, values in job.params if values},
        **labels,
        "__address__": address,
    }


def _target(job: Job, kept: dict[str, str], discovered: dict[str, str]) -> Target:
    scheme, address = kept.get("__scheme__", job.scheme), kept["__address__"]
    params = {name: list(values) for name, values in job.params}
    for name, value in kept.items():
        if name.startswith("__param_"):
            key = name.removeprefix("__param_")
            params[key] = [value, *params.get(key, [])[1:]]
    query = f"?{urlencode(params, doseq=True)}" if params else ""
    path = kept.get("__metrics_path__", job.path)
    url = f"{scheme}://{address}{path if path.startswith('/') else '/' + path}{query}"
    labels = {name: value for name, value in kept.items() if not name.startswith("__")}
    labels.setdefault("instance", address)
    interval = parse_duration_seconds(kept.get("__scrape_interval__", "")) or job.interval_seconds
    timeout = parse_duration_seconds(kept.get("__scrape_timeout__", "")) or job.timeout_seconds
    return Target(
        url, tuple(sorted(labels.items())), tuple(sorted(discovered.items())), interval, min(timeout, interval)
    )


def groups_from_document(document: Any, extra: dict[str, str]) -> list[Group]:  # noqa: ANN401 - of other people
    """Target groups as Prometheus' file and HTTP discovery have them.

    Raises:
        ValueError: the document has another shape.
    """
    if not isinstance(document, list):
        raise ValueError("target groups are a list")  # noqa: TRY004 - a document of another shape
    groups: list[Group] = []
    for item in document:
        if not isinstance(item, dict) or not isinstance(item.get("targets"), list):
            raise ValueError("a target group has a list of targets")  # noqa: TRY004
        said = item.get("labels") or {}
        if not isinstance(said, dict):
            raise ValueError("the labels of a target group are a mapping")  # noqa: TRY004
        groups.append((tuple(map(str, item["targets"])), {**texts_of(said), **extra}))
    return groups
