"""Targets from the objects of a Kubernetes API server: ``kubernetes_sd_configs``.

Objects are listed once and then watched (https://kubernetes.io/docs/reference/using-api/api-concepts/). A watch that
ends is begun again where it ended; where the server has forgotten that place, everything is listed anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp

from vedette.errors import InvalidInput
from vedette.server.scrape.client import Client
from vedette.server.scrape.client_config import ClientConfig, Tls
from vedette.server.scrape.discovery.kubeconfig import read_kubeconfig
from vedette.server.scrape.discovery.kubernetes_targets import Objects, groups_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.scrape.discovery.config import Kubernetes
    from vedette.server.scrape.targets import Group

__all__ = ["KubernetesDiscovery"]

log = logging.getLogger(__name__)

_SECRETS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATHS = {
    "node": "/api/v1/nodes",
    "namespace": "/api/v1/namespaces",
    "pod": "/api/v1/{}pods",
    "service": "/api/v1/{}services",
    "endpoints": "/api/v1/{}endpoints",
    "endpointslice": "/apis/discovery.k8s.io/v1/{}endpointslices",
    "ingress": "/apis/networking.k8s.io/v1/{}ingresses",
}
_NEEDED = {"endpoints": ("endpoints", "service", "pod"), "endpointslice": ("endpointslice", "service", "pod")}
_EVERYWHERE = ("node", "namespace")
_PAGE = 500
_LIST_SECONDS = 60.0
_WATCH_SECONDS = 300
_PAUSE_SECONDS = 5.0
_SETTLE_SECONDS = 0.5
"""Changes come in crowds; targets are made anew once for all of them."""
_MOST_LINE_BYTES = 16 << 20
_GONE = 410
_OK = 200


class _ListAgain(Exception):
    """The server has forgotten the place where a watch was to go on."""


class KubernetesDiscovery:
    """Follows the objects that a configuration asks for.

    Args:
        config: What to follow.
        who: Whose they are, for the log.
        take: Given the target groups whenever they have changed.
    """

    def __init__(self, config: Kubernetes, who: str, take: Callable[[list[Group]], None]) -> None:
        self._config = config
        self._who = who
        self._take = take
        self._objects: Objects = {}
        self._listed: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        config = await asyncio.to_thread(_located, self._config)
        client = Client(config.client)
        sources = [(kind, place) for kind in _kinds(config) for place in _places(config, kind)]
        try:
            async with asyncio.TaskGroup() as group:
                for kind, namespace in sources:
                    group.create_task(self._follow(client, config, kind, namespace))
                group.create_task(self._publish(config, len(sources)))
        finally:
            await client.close()

    async def _publish(self, config: Kubernetes, sources: int) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(_SETTLE_SECONDS)
            self._changed.clear()
            # Before everything is listed, a target could lack the labels of its service.
            if len(self._listed) == sources:
                self._take(groups_of(config, self._objects))

    async def _follow(self, client: Client, config: Kubernetes, kind: str, namespace: str) -> None:
        source = f"{config.api_server}{_path(kind, namespace)}"
        version = ""
        while True:
            try:
                if not version:
                    version = await self._list(client, config, source, kind, namespace)
                version = await self._watch(client, config, source, kind, version)
            except _ListAgain:
                version = ""
            except (aiohttp.ClientError, OSError, ValueError, InvalidInput) as error:
                log.warning("%s: %s: %s", self._who, source, str(error) or type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _list(self, client: Client, config: Kubernetes, source: str, kind: str, namespace: str) -> str:
        """Take all objects; returns the version from which on they can be watched."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        more = ""
        while True:
            query = {"limit": str(_PAGE), **_selectors(config, kind)} | ({"continue": more} if more else {})
            timeout = aiohttp.ClientTimeout(total=_LIST_SECONDS)
            async with client.get(f"{source}?{urlencode(query)}", _HEADERS, timeout=timeout) as answer:
                await _check(answer)
                document = await answer.json()
            for item in document.get("items") or []:
                found[_key(item)] = item
            facts = document.get("metadata") or {}
            more = facts.get("continue", "")
            if not more:
                break
        known = self._objects.setdefault(kind, {})
        for key in [key for key in known if not namespace or key[0] == namespace]:
            del known[key]
        known.update(found)
        self._listed.add((kind, namespace))
        self._changed.set()
        return str(facts.get("resourceVersion", ""))

    async def _watch(self, client: Client, config: Kubernetes, source: str, kind: str, version: str) -> str:
        """Take changes until the server ends the answer; returns the version of the last one."""
        query = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version}
        query |= {"timeoutSeconds": str(_WATCH_SECONDS), **_selectors(config, kind)}
        patience = _WATCH_SECONDS + _LIST_SECONDS
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_LIST_SECONDS, sock_read=patience)
        url = f"{source}?{urlencode(query)}"
        async with client.get(url, _HEADERS, timeout=timeout, read_bufsize=_MOST_LINE_BYTES) as answer:
            await _check(answer)
            async for line in answer.content:
                event = json.loads(line)
                item = event.get("object") or {}
                if event.get("type") == "ERROR":
                    if item.get("code") == _GONE:
                        raise _ListAgain
                    raise InvalidInput(f"the watch ended: {item.get('message', '')[:200]}")
                version = (item.get("metadata") or {}).get("resourceVersion", version)
                if event.get("type") == "BOOKMARK":
                    continue
                known = self._objects.setdefault(kind, {})
                if event.get("type") == "DELETED":
                    known.pop(_key(item), None)
                else:
                    known[_key(item)] = item
                self._changed.set()
        return version


_HEADERS = {"Accept": "application/json"}


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status == _GONE:
        raise _ListAgain
    if answer.status != _OK:
        text = (await answer.text())[:300]
        raise InvalidInput(f"the API server answers HTTP status {answer.status}: {text}")


def _key(item: dict[str, Any]) -> tuple[str, str]:
    facts = item.get("metadata") or {}
    return facts.get("namespace", ""), facts.get("name", "")


def _kinds(config: Kubernetes) -> list[str]:
    found = list(_NEEDED.get(config.role, (config.role,)))
    if config.attach_node and config.role in {"pod", "endpoints", "endpointslice"}:
        found.append("node")
    if config.attach_namespace and config.role != "node":
        found.append("namespace")
    return found


def _places(config: Kubernetes, kind: str) -> tuple[str, ...]:
    """The namespaces to look into; the empty one is all of them."""
    return ("",) if kind in _EVERYWHERE or not config.namespaces else config.namespaces


def _path(kind: str, namespace: str) -> str:
    return _PATHS[kind].format(f"namespaces/{namespace}/" if namespace else "")


def _selectors(config: Kubernetes, kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, label, field in config.selectors:
        if role == kind:
            found |= {"labelSelector": label} if label else {}
            found |= {"fieldSelector": field} if field else {}
    return found


def _located(config: Kubernetes) -> Kubernetes:
    """With the API server and the account: those of a file, or inside a cluster its own with the pod's."""
    namespaces = config.namespaces
    if config.own_namespace:
        namespaces = (*namespaces, (_SECRETS / "namespace").read_text(encoding="utf-8").strip())
    if config.api_server:
        return replace(config, namespaces=namespaces)
    if config.kubeconfig_file:
        server, client = read_kubeconfig(Path(config.kubeconfig_file))
        return replace(config, api_server=server, client=client, namespaces=namespaces)
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise InvalidInput(
            "kubernetes_sd_configs has neither api_server nor kubeconfig_file, and this is no pod of a cluster"
        )
    client = ClientConfig(credentials_file=str(_SECRETS / "token"), tls=Tls(ca_file=str(_SECRETS / "ca.crt")))
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return replace(config, api_server=server, client=client, namespaces=namespaces)
