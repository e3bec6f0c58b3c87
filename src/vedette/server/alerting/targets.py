"""From what discovery finds to the URLs that alerts are posted to."""

from __future__ import annotations

import logging
import posixpath
from typing import TYPE_CHECKING
from urllib.parse import quote

from vedette.errors import SettingsError
from vedette.server.scrape.relabel import relabel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vedette.server.scrape.alertmanagers import AlertmanagersConfig
    from vedette.server.scrape.targets import Group

__all__ = ["check_addresses", "resolve"]

log = logging.getLogger(__name__)

_API = "api/v2/alerts"
_PLAIN_IN_PATHS = "/$&+,:;=@!'()*~"


def resolve(config: AlertmanagersConfig, groups: Iterable[Group]) -> tuple[list[str], list[str]]:
    """The URLs of the Alertmanagers of some groups after relabeling, and of those that relabeling drops."""
    active: dict[str, None] = {}
    dropped: list[str] = []
    for addresses, labels in groups:
        for address in addresses:
            discovered = _discovered(config, address, labels)
            kept = relabel(discovered, config.relabel)
            fault = _fault(kept) if kept is not None else ""
            if fault:
                log.warning("%s: the Alertmanager %s is dropped: %s", config.where, address, fault)
            if kept is None or fault:
                dropped.append(_url(discovered))
            else:
                active[_url(kept)] = None
    return list(active), dropped


def check_addresses(config: AlertmanagersConfig, others: Iterable[Group] = ()) -> None:
    """Look at the addresses that the part's own Alertmanagers and `others` have after relabeling.

    Raises:
        SettingsError: one is no host.
    """
    own = [(addresses, dict(labels)) for addresses, labels in config.discovery.groups]
    for addresses, labels in (*own, *others):
        for address in addresses:
            kept = relabel(_discovered(config, address, labels), config.relabel)
            if kept is not None and "/" in (found := kept.get("__address__", "")):
                raise SettingsError(
                    f"{config.where}: {address!r} has the address {found!r} after relabeling, "
                    "which is no host with a port, such as localhost:9093."
                )


def _discovered(config: AlertmanagersConfig, address: str, labels: Mapping[str, str]) -> dict[str, str]:
    """An Alertmanager's labels before relabeling."""
    path = posixpath.normpath(f"/{config.path_prefix}/{_API}".replace("//", "/"))
    return {
        "__scheme__": config.scheme,
        "__alerts_path__": "/" + path.lstrip("/"),
        **labels,
        "__address__": address,
    }


def _fault(labels: Mapping[str, str]) -> str:
    """Why nobody can be told there; empty if somebody can."""
    scheme, address = labels.get("__scheme__", ""), labels.get("__address__", "")
    if not address or "/" in address:
        return f"{address!r} is no host with a port"
    return "" if scheme in {"http", "https"} else f"its scheme is {scheme!r}, which is neither http nor https"


def _url(labels: Mapping[str, str]) -> str:
    path = quote(labels.get("__alerts_path__", ""), safe=_PLAIN_IN_PATHS)
    return f"{labels.get('__scheme__', '')}://{labels.get('__address__', '')}/{path.removeprefix('/')}"
