"""What sends the telemetry: service, version, host, container, Kubernetes pod, process.

Attribute names follow OpenTelemetry's semantic conventions for resources. Detection reads environment variables and a
few small files; it starts no process and asks no network.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import uuid4

from vedette.sdk.values import clean_mapping
from vedette.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Resource", "Scope", "detect"]

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Resource:
    """The attributes that every item sent by this process shares."""

    def __init__(self, attributes: Mapping[str, Any], schema_url: str = "") -> None:
        self.attributes: dict[str, Any] = dict(attributes)
        self.schema_url = schema_url

    def __getitem__(self, key: str) -> Any:
        return self.attributes[key]


class Scope:
    """Who made an item inside the process: OpenTelemetry's instrumentation scope. Compared by value."""

    __slots__ = ("_key", "attributes", "name", "schema_url", "version")

    def __init__(
        self, name: str, version: str | None, schema_url: str | None, attributes: Mapping[str, Any] | None
    ) -> None:
        self.name = name
        self.version = version or ""
        self.schema_url = schema_url or ""
        self.attributes = clean_mapping(attributes) if attributes else {}
        self._key = (name, self.version, self.schema_url, repr(sorted(self.attributes.items())))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scope) and self._key == other._key


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _git_commit() -> str:
    """The commit that is checked out around the working directory, or nothing."""
    try:
        here = Path.cwd()
    except OSError:
        return ""
    for directory in (here, *here.parents):
        git = directory / ".git"
        elsewhere = _read(git)  # of a worktree or submodule `.git` is a file that says where it is
        if elsewhere.startswith("gitdir: "):
            git = directory / elsewhere[8:]
        head = _read(git / "HEAD")
        if not head:
            continue
        if not head.startswith("ref: "):
            return head
        shared = git / (_read(git / "commondir") or ".")
        return _read(git / head[5:]) or _read(shared / head[5:]) or _packed(shared, head[5:])
    return ""


def _packed(git: Path, name: str) -> str:
    """The commit of a reference that git has put together with others."""
    for line in _read(git / "packed-refs").splitlines():
        if line.endswith(f" {name}"):
            return line.split(" ", 1)[0]
    return ""


def _container_id() -> str:
    for path in ("/proc/self/cgroup", "/proc/self/mountinfo"):
        for line in _read(Path(path)).splitlines():
            if path.endswith("mountinfo") and "/containers/" not in line:
                continue
            found = _CONTAINER_ID.search(line)
            if found:
                return found.group()
    return ""


def _kubernetes() -> dict[str, str]:
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return {}
    found = {
        "k8s.pod.name": os.environ.get("POD_NAME") or socket.gethostname(),
        "k8s.namespace.name": os.environ.get("POD_NAMESPACE") or _read(_NAMESPACE_FILE),
        "k8s.pod.uid": os.environ.get("POD_UID", ""),
        "k8s.node.name": os.environ.get("NODE_NAME", ""),
        "k8s.deployment.name": os.environ.get("DEPLOYMENT_NAME", ""),
    }
    return {key: value for key, value in found.items() if value}


def _from_environment() -> dict[str, str]:
    """`OTEL_RESOURCE_ATTRIBUTES`: ``key=value,key=value``, percent-encoded."""
    found = {}
    for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, equals, value = pair.partition("=")
        if equals and key.strip():
            found[key.strip()] = unquote(value.strip())
    return found


def _service_name() -> str:
    script = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] not in {"", "-c", "-m"} else ""
    return f"unknown_service:{script or Path(sys.executable or 'python').name}"


def detect(
    service: str | None, version: str | None, environment: str | None, attributes: Mapping[str, Any] | None
) -> Resource:
    """What is known about this process; arguments win over `OTEL_RESOURCE_ATTRIBUTES`, which wins over detection."""
    found: dict[str, Any] = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "vedette",
        "telemetry.sdk.version": __version__,
        "service.name": _service_name(),
        "service.instance.id": str(uuid4()),
        "host.name": socket.gethostname(),
        "host.arch": platform.machine(),
        "os.type": sys.platform,
        "process.pid": os.getpid(),
        "process.executable.path": sys.executable or "",
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
    }
    commit, container = _git_commit(), _container_id()
    if commit:
        found["vcs.ref.head.revision"] = commit
    if container:
        found["container.id"] = container
    found |= _kubernetes()
    found |= _from_environment()
    if service:
        found["service.name"] = service
    if version:
        found["service.version"] = version
    if environment:
        found["deployment.environment.name"] = environment
    if attributes:
        found |= clean_mapping(attributes)
    return Resource(found)


def forked(resource: Resource) -> None:
    """Give a forked child's resource its own process id and instance id."""
    resource.attributes["process.pid"] = os.getpid()
    resource.attributes["service.instance.id"] = str(uuid4())
