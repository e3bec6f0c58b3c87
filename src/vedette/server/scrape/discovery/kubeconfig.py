"""The files by which ``kubectl`` knows a cluster and a user of it.

https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/; of several contexts the current one is meant.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import yaml

from vedette.errors import InvalidInput
from vedette.server.scrape.client_config import ClientConfig, Tls

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_kubeconfig"]

_PROGRAMS = ("exec", "auth-provider")


def read_kubeconfig(path: Path) -> tuple[str, ClientConfig]:
    """The URL of the API server, and how requests to it are made.

    Raises:
        InvalidInput: the file cannot be read, or does not say both.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"kubeconfig_file {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"kubeconfig_file {path} is no mapping")
    context = _named(path, document, "context", document.get("current-context"), "current-context")
    cluster = _named(path, document, "cluster", context.get("cluster"), "the current context")
    user = _named(path, document, "user", context["user"], "the current context") if context.get("user") else {}
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise InvalidInput(f"kubeconfig_file {path}: its cluster's server is {server!r}, and no URL")
    for name in _PROGRAMS:
        if user.get(name):
            raise InvalidInput(
                f"kubeconfig_file {path}: its user's {name} starts a program for credentials, which Vedette does not: "
                "give a token, tokenFile, or a client certificate"
            )
    tls = Tls(
        ca=_decoded(path, cluster, "certificate-authority-data"),
        ca_file=_file(path, cluster, "certificate-authority"),
        cert=_decoded(path, user, "client-certificate-data"),
        cert_file=_file(path, user, "client-certificate"),
        key=_decoded(path, user, "client-key-data"),
        key_file=_file(path, user, "client-key"),
        server_name=str(cluster.get("tls-server-name") or ""),
        insecure_skip_verify=cluster.get("insecure-skip-tls-verify") is True,
    )
    return server, ClientConfig(
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        credentials=str(user.get("token") or ""),
        credentials_file=_file(path, user, "tokenFile"),
        tls=tls,
        proxy_url=str(cluster.get("proxy-url") or ""),
    )


def _named(path: Path, document: dict[str, Any], kind: str, name: object, by: str) -> dict[str, Any]:
    """The entry of a list that has a name."""
    if not name:
        raise InvalidInput(f"kubeconfig_file {path}: {by} names no {kind}")
    listed = document.get(f"{kind}s")
    for one in listed if isinstance(listed, list) else ():
        found = one.get(kind) if isinstance(one, dict) and one.get("name") == name else None
        if isinstance(found, dict):
            return found
    raise InvalidInput(f"kubeconfig_file {path}: {by} names the {kind} {name!r}, which is not among its {kind}s")


def _decoded(path: Path, facts: dict[str, Any], name: str) -> str:
    try:
        return base64.b64decode(str(facts.get(name) or ""), validate=True).decode()
    except ValueError:
        raise InvalidInput(f"kubeconfig_file {path}: {name} is no PEM in base64") from None


def _file(path: Path, facts: dict[str, Any], name: str) -> str:
    """A file beside the one that names it; text of the same that is given as well counts instead."""
    given = str(facts.get(name) or "")
    return "" if not given or facts.get(f"{name}-data") else str(path.parent / given)
