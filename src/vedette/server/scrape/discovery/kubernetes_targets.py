"""From Kubernetes' objects to target groups, with the labels that Prometheus gives them.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vedette.server.scrape.discovery.config import Kubernetes
    from vedette.server.scrape.targets import Group

__all__ = ["Objects", "groups_of"]

Item = dict[str, Any]
Objects = dict[str, dict[tuple[str, str], Item]]
"""By kind, then by namespace and name."""

Seen = dict[str, tuple[Item, set[object]]]
"""Pods behind endpoints by their uid, with the ports that the endpoints have."""

_META = "__meta_kubernetes_"
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")
_ADDRESS_TYPES = ("InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname")
_SERVICE_OF_SLICE = "kubernetes.io/service-name"


def groups_of(config: Kubernetes, objects: Objects) -> list[Group]:
    """The targets of all objects that a configuration asks for."""
    make = {
        "node": _node,
        "pod": _pod,
        "service": _service,
        "endpoints": _endpoints,
        "endpointslice": _slice,
        "ingress": _ingress,
    }[config.role]
    groups: list[Group] = []
    for item in objects.get(config.role, {}).values():
        for address, labels in make(item, objects):
            groups.append(((address,), labels | _attached(config, objects, item, labels)))
    return groups


def _attached(config: Kubernetes, objects: Objects, item: Item, labels: dict[str, str]) -> dict[str, str]:
    """What ``attach_metadata`` adds: of the node that runs a target, of the namespace that it is in."""
    found: dict[str, str] = {}
    if config.attach_node and config.role in {"pod", "endpoints", "endpointslice"}:
        places = ("pod_node_name", "endpoint_node_name", "endpointslice_endpoint_node_name")
        name = next(filter(None, (labels.get(_META + place) for place in places)), "")
        node = objects.get("node", {}).get(("", name))
        if node is not None:
            found |= {f"{_META}node_name": name, **_described(node, "node")}
    if config.attach_namespace:
        namespace = objects.get("namespace", {}).get(("", _facts(item).get("namespace", "")))
        if namespace is not None:
            found |= _described(namespace, "namespace")
    return found


def _facts(item: Item) -> Item:
    return item.get("metadata") or {}


def _list(item: Item | None, *names: str) -> list[Any]:
    found: Any = item
    for name in names:
        found = (found or {}).get(name)
    return found or []


def _described(item: Item, role: str) -> dict[str, str]:
    """An object's labels and annotations, and for each that it is there."""
    found: dict[str, str] = {}
    for kind in ("label", "annotation"):
        for name, value in (_facts(item).get(f"{kind}s") or {}).items():
            plain = _NOT_IN_NAMES.sub("_", name)
            found[f"{_META}{role}_{kind}_{plain}"] = str(value)
            found[f"{_META}{role}_{kind}present_{plain}"] = "true"
    return found


def _named(item: Item, role: str) -> dict[str, str]:
    facts = _facts(item)
    found = {f"{_META}{role}_name": facts.get("name", ""), **_described(item, role)}
    if role != "node":
        found[f"{_META}namespace"] = facts.get("namespace", "")
    return found


def _joined(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _text(flag: object) -> str:
    return "true" if flag else "false"


def _node(item: Item, _objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    labels = {**_named(item, "node"), "instance": _facts(item).get("name", "")}
    labels[f"{_META}node_provider_id"] = spec.get("providerID", "")
    addresses: dict[str, str] = {}
    for one in _list(status, "addresses"):
        addresses.setdefault(one["type"], one["address"])
    labels |= {f"{_META}node_address_{_NOT_IN_NAMES.sub('_', kind)}": text for kind, text in addresses.items()}
    host = next((addresses[kind] for kind in _ADDRESS_TYPES if kind in addresses), "")
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port", 10250)
    if host:
        yield _joined(host, port), labels


def _of_pod(item: Item) -> dict[str, str]:
    facts, spec, status = _facts(item), item.get("spec") or {}, item.get("status") or {}
    conditions = {one.get("type"): one["status"].lower() for one in _list(status, "conditions")}
    found = _named(item, "pod")
    found |= {
        f"{_META}pod_ip": status.get("podIP", ""),
        f"{_META}pod_ready": conditions.get("Ready", "unknown"),
        f"{_META}pod_phase": status.get("phase", ""),
        f"{_META}pod_node_name": spec.get("nodeName", ""),
        f"{_META}pod_host_ip": status.get("hostIP", ""),
        f"{_META}pod_uid": facts.get("uid", ""),
    }
    for owner in _list(facts, "ownerReferences"):
        if owner.get("controller"):
            found[f"{_META}pod_controller_kind"] = owner.get("kind", "")
            found[f"{_META}pod_controller_name"] = owner.get("name", "")
    return found


def _containers(item: Item) -> Iterator[tuple[Item, dict[str, str]]]:
    """A pod's containers with their labels, those that initialize it last."""
    status = item.get("status") or {}
    for kind, statuses in (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")):
        ids = {one["name"]: one.get("containerID", "") for one in _list(status, statuses)}
        for container in _list(item, "spec", kind):
            name = container.get("name", "")
            yield (
                container,
                {
                    f"{_META}pod_container_name": name,
                    f"{_META}pod_container_id": ids.get(name, ""),
                    f"{_META}pod_container_image": container.get("image", ""),
                    f"{_META}pod_container_init": _text(kind == "initContainers"),
                },
            )


def _of_port(port: Item) -> dict[str, str]:
    return {
        f"{_META}pod_container_port_name": port.get("name", ""),
        f"{_META}pod_container_port_number": str(port["containerPort"]),
        f"{_META}pod_container_port_protocol": port.get("protocol", "TCP"),
    }


def _pod(item: Item, _objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    """One target a port; a container without ports is one, too, whose address is to be given a port by relabeling."""
    labels = _of_pod(item)
    host = labels[f"{_META}pod_ip"]
    if not host:
        return
    for container, described in _containers(item):
        ports = _list(container, "ports")
        for port in ports:
            yield _joined(host, port["containerPort"]), {**labels, **described, **_of_port(port)}
        if not ports:
            yield (f"[{host}]" if ":" in host else host), {**labels, **described}


def _service(item: Item, _objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    spec = item.get("spec") or {}
    labels, kind = _named(item, "service"), spec.get("type", "ClusterIP")
    labels[f"{_META}service_type"] = kind
    if kind == "ExternalName":
        labels[f"{_META}service_external_name"] = spec.get("externalName", "")
    else:
        labels[f"{_META}service_cluster_ip"] = spec.get("clusterIP", "")
    if kind == "LoadBalancer":
        labels[f"{_META}service_loadbalancer_ip"] = spec.get("loadBalancerIP", "")
    facts = _facts(item)
    for port in _list(spec, "ports"):
        yield (
            f"{facts.get('name', '')}.{facts.get('namespace', '')}.svc:{port['port']}",
            {
                **labels,
                f"{_META}service_port_name": port.get("name", ""),
                f"{_META}service_port_number": str(port["port"]),
                f"{_META}service_port_protocol": port.get("protocol", "TCP"),
            },
        )


def _behind(
    objects: Objects, namespace: str, reference: Item | None, port: object, protocol: str
) -> tuple[dict[str, str], Item | None]:
    """The labels of the pod behind an endpoint, and of its container that has the port."""
    if (reference or {}).get("kind") != "Pod":
        return {}, None
    pod = objects.get("pod", {}).get((reference.get("namespace", namespace), reference.get("name", "")))  # type: ignore[union-attr]
    if pod is None:
        return {}, None
    labels = _of_pod(pod)
    for container, described in _containers(pod):
        for one in _list(container, "ports"):
            if one["containerPort"] == port and one.get("protocol", "TCP") == protocol:
                return {**labels, **described, **_of_port(one)}, pod
    return labels, pod


def _unlisted(seen: Seen, labels: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The ports of pods behind endpoints that are no ports of the endpoints: Prometheus finds them, too."""
    for pod, ports in seen.values():
        described = _of_pod(pod)
        for container, more in _containers(pod):
            for port in _list(container, "ports"):
                if port["containerPort"] not in ports and described[f"{_META}pod_ip"]:
                    address = _joined(described[f"{_META}pod_ip"], port["containerPort"])
                    yield address, {**labels, **described, **more, **_of_port(port)}


def _endpoints(item: Item, objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    facts = _facts(item)
    namespace = facts.get("namespace", "")
    service = objects.get("service", {}).get((namespace, facts.get("name", "")))
    shared = {**(_named(service, "service") if service else {}), **_named(item, "endpoints")}
    seen: Seen = {}
    for subset in item.get("subsets") or []:
        for port in _list(subset, "ports"):
            for kind, ready in (("addresses", True), ("notReadyAddresses", False)):
                for address in _list(subset, kind):
                    labels = {
                        f"{_META}endpoint_port_name": port.get("name", ""),
                        f"{_META}endpoint_port_protocol": port.get("protocol", "TCP"),
                        f"{_META}endpoint_ready": _text(ready),
                    }
                    reference = address.get("targetRef")
                    if reference:
                        labels[f"{_META}endpoint_address_target_kind"] = reference.get("kind", "")
                        labels[f"{_META}endpoint_address_target_name"] = reference.get("name", "")
                    for name, value in (("node_name", address.get("nodeName")), ("hostname", address.get("hostname"))):
                        if value:
                            labels[f"{_META}endpoint_{name}"] = value
                    described, pod = _behind(objects, namespace, reference, port["port"], port.get("protocol", "TCP"))
                    if pod is not None:
                        seen.setdefault(described[f"{_META}pod_uid"], (pod, set()))[1].add(port["port"])
                    yield _joined(address["ip"], port["port"]), {**shared, **described, **labels}
    yield from _unlisted(seen, shared)


def _slice(item: Item, objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    facts = _facts(item)
    namespace = facts.get("namespace", "")
    service = objects.get("service", {}).get((namespace, (facts.get("labels") or {}).get(_SERVICE_OF_SLICE, "")))
    shared = {**(_named(service, "service") if service else {}), **_named(item, "endpointslice")}
    shared[f"{_META}endpointslice_address_type"] = item.get("addressType", "")
    seen: Seen = {}
    for port in _list(item, "ports"):
        for endpoint in _list(item, "endpoints"):
            labels = _of_slice_port(port) | _of_slice_endpoint(endpoint)
            for host in _list(endpoint, "addresses"):
                number, protocol = port.get("port"), port.get("protocol", "TCP")
                described, pod = _behind(objects, namespace, endpoint.get("targetRef"), number, protocol)
                if pod is not None:
                    seen.setdefault(described[f"{_META}pod_uid"], (pod, set()))[1].add(number)
                address = _joined(host, number) if number else host
                yield address, {**shared, **described, **labels}
    yield from _unlisted(seen, shared)


def _of_slice_port(port: Item) -> dict[str, str]:
    found = {
        f"{_META}endpointslice_port_name": port.get("name") or "",
        f"{_META}endpointslice_port_protocol": port.get("protocol", "TCP"),
    }
    if port.get("port"):
        found[f"{_META}endpointslice_port"] = str(port["port"])
    if port.get("appProtocol"):
        found[f"{_META}endpointslice_port_app_protocol"] = port["appProtocol"]
    return found


def _of_slice_endpoint(endpoint: Item) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in (endpoint.get("conditions") or {}).items():
        if value is not None:
            found[f"{_META}endpointslice_endpoint_conditions_{name}"] = _text(value)
    reference = endpoint.get("targetRef")
    if reference:
        found[f"{_META}endpointslice_address_target_kind"] = reference.get("kind", "")
        found[f"{_META}endpointslice_address_target_name"] = reference.get("name", "")
    for name, key in (("hostname", "hostname"), ("node_name", "nodeName"), ("zone", "zone")):
        if endpoint.get(key):
            found[f"{_META}endpointslice_endpoint_{name}"] = endpoint[key]
    return found


def _ingress(item: Item, _objects: Objects) -> Iterator[tuple[str, dict[str, str]]]:
    spec = item.get("spec") or {}
    labels = _named(item, "ingress")
    if spec.get("ingressClassName"):
        labels[f"{_META}ingress_class_name"] = spec["ingressClassName"]
    secure = [host for tls in _list(spec, "tls") for host in _list(tls, "hosts")]
    for rule in _list(spec, "rules"):
        host = rule.get("host") or "*"
        scheme = "https" if any(_covers(pattern, host) for pattern in secure) else "http"
        for path in [one.get("path") or "/" for one in _list(rule, "http", "paths")] or ["/"]:
            yield (
                host,
                {
                    **labels,
                    f"{_META}ingress_scheme": scheme,
                    f"{_META}ingress_host": host,
                    f"{_META}ingress_path": path,
                },
            )


def _covers(pattern: str, host: str) -> bool:
    """Whether a host of ``tls`` is that of a rule; a ``*`` stands for its first part."""
    return pattern == host or (pattern.startswith("*.") and "." in host and pattern[2:] == host.split(".", 1)[1])
