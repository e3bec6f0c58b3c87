"""From a job's discovery to its targets: labels, relabeling, address."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
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

log = logging.getLogger(__name__)

_FLAGS = {
    "__convert_classic_histograms_to_nhcb__": "convert_classic",
    "__always_scrape_classic_histograms__": "classic_histograms",
    "__scrape_native_histograms__": "native_histograms",
}
"""Labels by which relabeling may decide of each target, and the fields of the job that they stand for."""
_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")

Group = tuple[tuple[str, ...], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped: its URL, its labels, and how it was discovered, which makes no other target of it."""

    url: str
    labels: tuple[tuple[str, str], ...]
    discovered: tuple[tuple[str, str], ...] = field(compare=False)
    interval_seconds: float
    timeout_seconds: float
    flags: tuple[tuple[str, bool], ...] = ()
    """Fields of the job that are otherwise for this target."""

    def applied_to(self, job: Job) -> Job:
        """The job as it is for this target."""
        flags = dict(self.flags)
        return replace(
            job,
            native_histograms=flags.get("native_histograms", job.native_histograms),
            classic_histograms=flags.get("classic_histograms", job.classic_histograms),
            convert_classic=flags.get("convert_classic", job.convert_classic),
        )

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
            try:
                target = _target(job, kept, discovered)
            except ValueError as error:
                log.warning("Job %s: the target %s is dropped: %s", job.name, kept["__address__"], error)
                dropped.append(discovered)
                continue
            targets[target.url, target.labels] = target
    return list(targets.values()), dropped


def check_addresses(job: Job, others: Iterable[Group] = ()) -> None:
    """Look at the addresses that a job's own targets and `others` have after relabeling, as a scrape would only fail.

    Raises:
        SettingsError: one is no host.
    """
    own = [(addresses, dict(labels)) for addresses, labels in job.discovery.groups]
    for addresses, labels in (*own, *others):
        for address in addresses:
            kept = relabel(_discovered(job, address, labels), job.relabel)
            if kept is not None and ("/" in (found := kept.get("__address__", "")) or not found):
                raise SettingsError(
                    f"job {job.name!r}: {address!r} has the address {found!r} after relabeling, "
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
        **{label: str(getattr(job, name)).lower() for label, name in _FLAGS.items()},
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
    flags = ((name, _flag(label, kept)) for label, name in _FLAGS.items() if kept.get(label))
    return Target(
        url,
        tuple(sorted(labels.items())),
        tuple(sorted(discovered.items())),
        interval,
        min(timeout, interval),
        tuple((name, value) for name, value in flags if value != getattr(job, name)),
    )


def _flag(label: str, labels: dict[str, str]) -> bool:
    """A label's truth in the words that Go takes for it."""
    if (text := labels[label]) not in _TRUE + _FALSE:
        raise ValueError(f"{label} is {text!r}, which is neither true nor false")
    return text in _TRUE


def groups_from_document(document: Any, extra: dict[str, str]) -> list[Group]:  # noqa: ANN401 - of other people
    """Target groups as Prometheus' file and HTTP discovery have them.

    Raises:
        ValueError: the document has another shape.
    """
    if not isinstance(document, list):
        raise ValueError("target groups are a list")  # noqa: TRY004 - a document of another shape
    groups: list[Group] = []
    for item in document:
        targets = (item.get("targets") or []) if isinstance(item, dict) else None
        if not isinstance(targets, list):
            raise ValueError("a target group has a list of targets")  # noqa: TRY004
        said = item.get("labels") or {}
        if not isinstance(said, dict):
            raise ValueError("the labels of a target group are a mapping")  # noqa: TRY004
        groups.append((tuple(map(str, targets)), {**texts_of(said), **extra}))
    return groups
