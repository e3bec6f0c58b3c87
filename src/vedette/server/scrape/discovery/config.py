"""The parts of a job that say where its targets come from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vedette.errors import SettingsError
from vedette.server.rules.yaml_text import texts_of
from vedette.server.scrape.client_config import CLIENT_FIELDS, CLIENT_REFUSED, ClientConfig, read_client

if TYPE_CHECKING:
    from vedette.server.scrape.section import Section

__all__ = [
    "DISCOVERY_FIELDS",
    "DISCOVERY_REFUSED",
    "KUBERNETES_ROLES",
    "Discovery",
    "Dns",
    "Http",
    "Kubernetes",
    "read_discovery",
]

DISCOVERY_FIELDS = frozenset(
    {"static_configs", "file_sd_configs", "http_sd_configs", "dns_sd_configs", "kubernetes_sd_configs"}
)
_OTHERS = (
    "aws azure consul digitalocean docker dockerswarm ec2 ecs elasticache eureka gce hetzner ionos kuma lightsail",
    "linode marathon msk nerve nomad openstack outscale ovhcloud puppetdb rds scaleway serverset stackit triton uyuni",
    "vultr",
)
_WAYS = "targets come from static_configs and by file, HTTP, DNS and Kubernetes"
DISCOVERY_REFUSED = {f"{name}_sd_configs": _WAYS for line in _OTHERS for name in line.split()}
KUBERNETES_ROLES = ("node", "pod", "service", "endpoints", "endpointslice", "ingress")
_DNS_TYPES = ("SRV", "A", "AAAA", "MX", "NS")
_MAX_PORT = 65535

_FILES = re.compile(r"[^*]*(?:\*[^/]*)?\.(?:json|yml|yaml|JSON|YML|YAML)")
"""File names of Prometheus' `file_sd_configs`."""


@dataclass(frozen=True, slots=True)
class Http:
    """An URL that answers with target groups."""

    url: str
    refresh_seconds: float
    client: ClientConfig


@dataclass(frozen=True, slots=True)
class Dns:
    """Names whose records are targets."""

    names: tuple[str, ...]
    kind: str
    port: int
    refresh_seconds: float


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """Objects of an API server. `selectors` are (role, label, field).

    Inside the cluster `api_server` and `kubeconfig_file` are empty.
    """

    role: str
    api_server: str
    client: ClientConfig
    namespaces: tuple[str, ...] = ()
    own_namespace: bool = False
    selectors: tuple[tuple[str, str, str], ...] = ()
    attach_node: bool = False
    attach_namespace: bool = False
    kubeconfig_file: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """Where a job's targets are named. A group is (targets, labels)."""

    groups: tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...] = ()
    files: tuple[str, ...] = ()
    http: tuple[Http, ...] = ()
    dns: tuple[Dns, ...] = ()
    kubernetes: tuple[Kubernetes, ...] = field(default=())


def read_discovery(section: Section) -> Discovery:
    """The discovery of a job.

    Raises:
        SettingsError: something in it is wrong; the message says where.
    """
    groups = []
    for item in section.sections("static_configs"):
        item.only({"targets", "labels"})
        labels = texts_of(item.section("labels").value)
        for target in item.texts("targets"):
            if not section.list_("relabel_configs") and "/" in target:
                raise SettingsError(f"{item.where}: {target!r} is no host with a port, such as localhost:9100.")
        groups.append((item.texts("targets"), tuple(labels.items())))
    files = []
    for item in section.sections("file_sd_configs"):
        item.only({"files", "refresh_interval"})
        item.seconds("refresh_interval", 300.0)  # checked, and files are read every few seconds anyway
        if not item.list_("files"):
            raise SettingsError(f"{item.where}: files is missing.")
        for name in item.texts("files"):
            if not _FILES.fullmatch(name):
                raise SettingsError(
                    f"{item.where}: {name!r} does not end with .json, .yml or .yaml, or has * before its last part."
                )
            files.append(str(item.folder / name))
    return Discovery(
        tuple(groups),
        tuple(files),
        tuple(_http(item) for item in section.sections("http_sd_configs")),
        tuple(_dns(item) for item in section.sections("dns_sd_configs")),
        tuple(_kubernetes(item) for item in section.sections("kubernetes_sd_configs")),
    )


def _http(section: Section) -> Http:
    section.only({"url", "refresh_interval"} | CLIENT_FIELDS, CLIENT_REFUSED)
    url = section.text("url")
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"{section.where}: url is {url!r}, and must begin with http:// or https://.")
    if not urlsplit(url).hostname:
        raise SettingsError(f"{section.where}: url is {url!r}, which names no host.")
    return Http(url, section.seconds("refresh_interval", 60.0), read_client(section))


def _dns(section: Section) -> Dns:
    section.only({"names", "type", "port", "refresh_interval"})
    names = section.texts("names")
    if not names:
        raise SettingsError(f"{section.where}: names is missing.")
    kind = section.text("type", "SRV").upper()
    if kind not in _DNS_TYPES:
        raise SettingsError(f"{section.where}: type is {kind!r}, and must be one of {', '.join(_DNS_TYPES)}.")
    port = section.count("port")
    if kind != "SRV" and not 0 < port <= _MAX_PORT:
        raise SettingsError(f"{section.where}: records of type {kind} have no port, so port must say which.")
    return Dns(names, kind, port, section.seconds("refresh_interval", 30.0))


def _kubernetes(section: Section) -> Kubernetes:
    section.only(
        {"role", "api_server", "kubeconfig_file", "namespaces", "selectors", "attach_metadata"} | CLIENT_FIELDS,
        CLIENT_REFUSED,
    )
    role = section.one_of("role", KUBERNETES_ROLES)
    server = section.text("api_server").rstrip("/")
    client = read_client(section)
    if server and not server.startswith(("http://", "https://")):
        raise SettingsError(f"{section.where}: api_server is {server!r}, and must begin with http:// or https://.")
    if section.text("kubeconfig_file") and (server or client != ClientConfig()):
        raise SettingsError(f"{section.where}: kubeconfig_file says all that api_server, credentials and TLS would.")
    if not server and client != ClientConfig():
        raise SettingsError(f"{section.where}: credentials and TLS need an api_server to use them for.")
    namespaces = section.section("namespaces")
    namespaces.only({"names", "own_namespace"})
    selectors = []
    for item in section.sections("selectors"):
        item.only({"role", "label", "field"})
        selectors.append((item.one_of("role", KUBERNETES_ROLES), item.text("label"), item.text("field")))
    attach = section.section("attach_metadata")
    attach.only({"node", "namespace"})
    return Kubernetes(
        role,
        server,
        client,
        namespaces.texts("names"),
        namespaces.flag("own_namespace", default=False),
        tuple(selectors),
        attach.flag("node", default=False),
        attach.flag("namespace", default=False),
        section.file("kubeconfig_file"),
    )
