"""Which Alertmanagers are told of alerts, and how alerts are changed on the way: the part ``alerting`` of the file.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#alertmanager_config
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vedette.errors import SettingsError
from vedette.server.scrape.client_config import CLIENT_FIELDS, CLIENT_REFUSED, ClientConfig, read_client
from vedette.server.scrape.discovery.config import DISCOVERY_FIELDS, DISCOVERY_REFUSED, Discovery, read_discovery
from vedette.server.scrape.relabel_config import read_rules

if TYPE_CHECKING:
    from vedette.server.scrape.relabel import Rule
    from vedette.server.scrape.section import Section

__all__ = ["AlertingConfig", "AlertmanagersConfig", "read_alerting"]

_TIMEOUT_SECONDS = 10.0
_FIELDS = CLIENT_FIELDS | DISCOVERY_FIELDS
_FIELDS |= {"scheme", "path_prefix", "timeout", "api_version", "relabel_configs", "alert_relabel_configs"}
_REFUSED = {**CLIENT_REFUSED, **DISCOVERY_REFUSED, "sigv4": "requests are not signed for Amazon's services"}


@dataclass(frozen=True, slots=True)
class AlertmanagersConfig:
    """One of ``alertmanagers``: how some are found, and how they are told."""

    where: str
    """Its place in the file, for messages."""
    scheme: str = "http"
    path_prefix: str = ""
    timeout_seconds: float = _TIMEOUT_SECONDS
    discovery: Discovery = field(default_factory=Discovery)
    client: ClientConfig = field(default_factory=ClientConfig)
    relabel: tuple[Rule, ...] = ()
    """Of the Alertmanagers that are found."""
    alert_relabel: tuple[Rule, ...] = ()
    """Of the alerts that these are told of, after those of all."""


@dataclass(frozen=True, slots=True)
class AlertingConfig:
    """All Alertmanagers, and the relabeling of alerts for all of them."""

    alertmanagers: tuple[AlertmanagersConfig, ...] = ()
    relabel: tuple[Rule, ...] = ()


def read_alerting(section: Section) -> AlertingConfig:
    """The part ``alerting``.

    Raises:
        SettingsError: something in it is wrong; the message says where.
    """
    section.only({"alert_relabel_configs", "alertmanagers"})
    relabel = read_rules(section, "alert_relabel_configs")
    return AlertingConfig(tuple(_alertmanagers(one) for one in section.sections("alertmanagers")), relabel)


def _alertmanagers(section: Section) -> AlertmanagersConfig:
    section.where = section.where.removeprefix("the configuration, ")
    section.only(_FIELDS, _REFUSED)
    version = section.text("api_version", "v2")
    if version == "v1":
        raise SettingsError(
            f"{section.where}: api_version is 'v1', which neither Prometheus 3 nor Vedette speaks; "
            "every Alertmanager since 0.16 has v2."
        )
    section.one_of("api_version", ("v2",), "v2")
    return AlertmanagersConfig(
        where=section.where,
        # Any text, as in Prometheus: relabeling may make another one of it.
        scheme=section.text("scheme", "http"),
        path_prefix=section.text("path_prefix"),
        timeout_seconds=section.seconds("timeout", _TIMEOUT_SECONDS),
        discovery=read_discovery(section),
        client=read_client(section),
        relabel=read_rules(section, "relabel_configs"),
        alert_relabel=read_rules(section, "alert_relabel_configs"),
    )
