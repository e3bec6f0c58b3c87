"""What is scraped, left where the server process finds it and shows it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from vedette.server.rules.yaml_text import Plain, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vedette.server.scrape.pool import Pool

__all__ = ["show", "without_secrets"]

_MOST_DROPPED = 100
_SECRET = re.compile(r"(?i)password|secret|credentials|token|(?:^|_)key$")
_NOT_SECRET = re.compile(r"(?i)_(?:file|ref|url)$")
_HEADERS = frozenset({"headers", "proxy_connect_header"})
"""Any of their values may be a secret."""
_PASSWORD_OF_URL = re.compile(r"(://[^:/@\s]*):[^@/\s]*@")


class _Dumper(yaml.SafeDumper):
    """Writes numbers and truth values as they were written."""


def _plain(dumper: yaml.SafeDumper, value: Plain) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"tag:yaml.org,2002:{type(value.value).__name__}", str(value))


_Dumper.add_representer(Plain, _plain)


def show(
    file: Path,
    config: str,
    pools: Mapping[str, Sequence[Pool]],
    external_labels: Sequence[tuple[str, str]] = (),
) -> None:
    """Write down a configuration's text and ``external_labels``, and each tenant's pools with their targets."""
    document = {
        "config": config,
        "external_labels": dict(external_labels),
        "tenants": {tenant: _document(those) for tenant, those in pools.items()},
    }
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(file)


def without_secrets(text: str) -> str:
    """A configuration as it may be shown: passwords, tokens and keys are ``<secret>``, those in addresses ``xxxxx``."""
    document = read_yaml(text)
    hidden = _hidden(document)
    return text if hidden == document else yaml.dump(hidden, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _hidden(value: Any) -> Any:  # noqa: ANN401 - whatever YAML has
    if isinstance(value, dict):
        return {name: _hidden_field(str(name), one) for name, one in value.items()}
    if isinstance(value, list):
        return [_hidden(one) for one in value]
    if isinstance(value, Plain) or not isinstance(value, str):
        return value
    return _PASSWORD_OF_URL.sub(r"\1:xxxxx@", value)


def _hidden_field(name: str, value: Any) -> Any:  # noqa: ANN401
    if value is not None and _SECRET.search(name) and not _NOT_SECRET.search(name):
        return _masked(value)
    if name in _HEADERS and isinstance(value, dict):
        return {header: _masked(one) for header, one in value.items()}
    return _hidden(value)


def _masked(value: Any) -> Any:  # noqa: ANN401
    return [_masked(one) for one in value] if isinstance(value, list) else "<secret>"


def _document(pools: Sequence[Pool]) -> dict[str, Any]:
    return {
        "pools": sorted(pool.job.name for pool in pools),
        "active": [loop.document(pool.job.name) for pool in pools for loop in list(pool.loops.values())],
        "dropped": [
            {"discoveredLabels": labels, "scrapePool": pool.job.name}
            for pool in pools
            for labels in pool.dropped[: pool.job.keep_dropped_targets or _MOST_DROPPED]
        ],
        "dropped_counts": {pool.job.name: len(pool.dropped) for pool in pools},
    }
