"""Targets found by DNS and Kubernetes, reached with OAuth2 and through a proxy; a real platform, one for all of it."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from kubernetes_server import KubernetesServer

_POD = {
    "metadata": {
        "name": "shop-1",
        "namespace": "shop",
        "uid": "uid-1",
        "labels": {"app.kubernetes.io/name": "shop"},
        "annotations": {"prometheus.io/scrape": "true"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "shop-rs", "controller": True}],
    },
    "spec": {
        "nodeName": "node-1",
        "containers": [
            {
                "name": "web",
                "image": "shop:1",
                "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9100}],
            }
        ],
    },
    "status": {
        "podIP": "127.0.0.1",
        "hostIP": "10.0.0.1",
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "web", "containerID": "containerd://1"}],
    },
}
_SERVICE = {
    "metadata": {"name": "shop", "namespace": "shop", "labels": {"tier": "front"}},
    "spec": {"type": "ClusterIP", "clusterIP": "10.1.0.1", "ports": [{"name": "http", "port": 80}]},
}
_REFERENCE = {"kind": "Pod", "name": "shop-1", "namespace": "shop"}
_ENDPOINTS = {
    "metadata": {"name": "shop", "namespace": "shop"},
    "subsets": [
        {
            "addresses": [{"ip": "127.0.0.1", "nodeName": "node-1", "targetRef": _REFERENCE}],
            "notReadyAddresses": [{"ip": "127.0.0.3"}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }
    ],
}
_SLICE = {
    "metadata": {"name": "shop-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "shop"}},
    "addressType": "IPv4",
    "endpoints": [
        {
            "addresses": ["127.0.0.1"],
            "conditions": {"ready": True, "serving": None},
            "nodeName": "node-1",
            "zone": "eu-1",
            "targetRef": _REFERENCE,
        }
    ],
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
}
_NODE = {
    "metadata": {"name": "node-1", "labels": {"zone": "eu-1"}},
    "spec": {"providerID": "cloud://1"},
    "status": {
        "addresses": [{"type": "Hostname", "address": "node-1"}, {"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    },
}
_INGRESS = {
    "metadata": {"name": "front", "namespace": "shop"},
    "spec": {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["*.shop.test"]}],
        "rules": [{"host": "a.shop.test", "http": {"paths": [{"path": "/x"}, {}]}}, {"host": "b.test"}],
    },
}
_NAMESPACE = {"metadata": {"name": "shop", "labels": {"team": "blue"}}}
_META = "__meta_kubernetes_"


class _Dns(socketserver.BaseRequestHandler):
    """_web._tcp.shop.test has two targets, by compressed names, and a.test one address; the rest does not exist."""

    def handle(self) -> None:
        data, socket = self.request
        at, parts = 12, []
        while data[at]:
            parts.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        kind = struct.unpack_from("!H", data, at + 1)[0]
        answers: list[bytes] = []
        if ".".join(parts) == "_web._tcp.shop.test" and kind == 33:
            for port in (9001, 9002):
                target = b"\x04host\xc0" + bytes([data.index(b"\x04shop", 12)])
                answers.append(struct.pack("!HHH", 0, 0, port) + target)
        elif ".".join(parts) == "a.test" and kind == 1:
            answers.append(bytes([127, 0, 0, 9]))
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(one)) + one for one in answers)
        flags = 0x8180 if answers else 0x8183
        socket.sendto(
            data[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0) + data[12 : at + 5] + body,
            self.client_address,
        )


class _Web:
    """A token endpoint, a target that wants its token, and a proxy that answers for every host."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.forms: list[dict[str, list[str]]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                allowed = self.headers.get("Authorization") == "Bearer token-1" or self.path.startswith("http://")
                self.answer(200 if allowed else 401, b"through 1\n", "text/plain")

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                web.forms.append(parse_qs(self.rfile.read(size).decode()))
                good = self.headers.get("Authorization") == "Basic aWQ6c2VjcmV0"
                body = {"access_token": "token-1", "expires_in": 3600} if good else {"error": "invalid_client"}
                self.answer(200 if good else 401, json.dumps(body).encode(), "application/json")

            def answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def _kubeconfig(folder: Path, kubernetes: KubernetesServer) -> str:
    """A file as `kubectl` has it, with the token in a file beside it."""
    (folder / "token").write_text("token-k\n")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {"name": "elsewhere", "context": {"cluster": "far", "user": "nobody"}},
            {"name": "here", "context": {"cluster": "near", "user": "scraper"}},
        ],
        "clusters": [
            {"name": "far", "cluster": {"server": "https://far.test"}},
            {"name": "near", "cluster": {"server": f"{kubernetes.url}/"}},
        ],
        "users": [{"name": "nobody", "user": {}}, {"name": "scraper", "user": {"tokenFile": "token"}}],
    }
    (folder / "kube.yml").write_text(json.dumps(config))
    return "kube.yml"


def _jobs(web: _Web, kubernetes: KubernetesServer, kubeconfig: str) -> list[dict[str, Any]]:
    reached = {"api_server": kubernetes.url, "authorization": {"credentials": "token-k"}}
    attached = {"attach_metadata": {"node": True, "namespace": True}}
    roles = ("node", "pod", "service", "endpoints", "endpointslice", "ingress")
    oauth2 = {
        "client_id": "id",
        "client_secret": "secret",
        "token_url": f"http://{web.address}/token",
        "scopes": ["a", "b"],
    }
    static = [{"targets": [web.address]}]
    return [
        *(
            {"job_name": f"k8s-{role}", "kubernetes_sd_configs": [{"role": role, **reached, **attached}]}
            for role in roles
        ),
        {"job_name": "kubectl", "kubernetes_sd_configs": [{"role": "service", "kubeconfig_file": kubeconfig}]},
        {"job_name": "srv", "dns_sd_configs": [{"names": ["_web._tcp.shop.test"], "refresh_interval": "1s"}]},
        {"job_name": "a", "dns_sd_configs": [{"names": ["a.test", "none.test"], "type": "A", "port": 9003}]},
        {"job_name": "oauth2", "oauth2": oauth2, "static_configs": static},
        {"job_name": "stranger", "oauth2": oauth2 | {"client_secret": "wrong"}, "static_configs": static},
        {
            "job_name": "proxied",
            "proxy_url": f"http://{web.address}",
            "static_configs": [{"targets": ["far.test:8123"]}],
            "http_headers": {"X-Team": {"values": ["blue"]}},
        },
        {"job_name": "many", "target_limit": 1, "static_configs": [{"targets": [web.address, "127.0.0.1:1"]}]},
    ]


@pytest.fixture
def setting(make_platform, tmp_path):
    """A platform with all of the jobs, and what they find."""
    objects = {
        "node": [_NODE],
        "namespace": [_NAMESPACE],
        "pod": [_POD, {"metadata": {"name": "pending", "namespace": "shop"}, "spec": {"containers": [{"name": "x"}]}}],
        "service": [_SERVICE],
        "endpoints": [_ENDPOINTS],
        "endpointslice": [_SLICE],
        "ingress": [_INGRESS],
    }
    kubernetes, web = KubernetesServer(json.loads(json.dumps(objects)), "token-k"), _Web()
    dns = socketserver.ThreadingUDPServer(("127.0.0.1", 0), _Dns)
    threading.Thread(target=dns.serve_forever, daemon=True).start()
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": _jobs(web, kubernetes, _kubeconfig(tmp_path, kubernetes)),
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    server = f"127.0.0.1:{dns.server_address[1]}"
    platform = make_platform("--scrape-config", str(tmp_path / "prometheus.yml"), "--scrape-dns-server", server)
    yield platform, kubernetes, web
    for one in (kubernetes.server, web.server, dns):
        one.shutdown()


def _targets(platform: Any, job: str) -> dict[str, dict[str, Any]]:
    """Active targets of a job by their address."""
    active = platform.request("/prometheus/api/v1/targets").json()["data"]["activeTargets"]
    return {one["discoveredLabels"]["__address__"]: one for one in active if one["scrapePool"] == job}


def _found(platform: Any, job: str, addresses: set[str]) -> dict[str, dict[str, str]]:
    """Wait until a job has just these targets; their discovered labels."""
    while set(found := _targets(platform, job)) != addresses:
        time.sleep(0.1)
    return {address: one["discoveredLabels"] for address, one in found.items()}


def _failed(platform: Any, job: str, address: str) -> str:
    while not (error := _targets(platform, job).get(address, {}).get("lastError")):
        time.sleep(0.1)
    return str(error)


def _changes_are_watched(platform: Any, kubernetes: Any) -> None:
    """A server that has forgotten where a watch was is asked for everything again."""
    moved = json.loads(json.dumps(_SERVICE))
    moved["spec"]["ports"][0]["port"] = 81
    kubernetes.tell("service", "MODIFIED", moved)
    _found(platform, "k8s-service", {"shop.shop.svc:81"})
    kubernetes.objects["service"] = []
    kubernetes.forget("service")
    _found(platform, "k8s-service", set())
    kubernetes.tell("pod", "DELETED", json.loads(json.dumps(_POD)))
    _found(platform, "k8s-pod", set())


def test_targets_come_from_everywhere(setting):
    platform, kubernetes, web = setting

    labels = _found(platform, "srv", {"host.shop.test:9001", "host.shop.test:9002"})["host.shop.test:9001"]
    assert labels["__meta_dns_name"] == "_web._tcp.shop.test"
    assert labels["__meta_dns_srv_record_target"] == "host.shop.test."
    assert _found(platform, "a", {"127.0.0.9:9003"})["127.0.0.9:9003"]["__meta_dns_name"] == "a.test"

    node = _found(platform, "k8s-node", {"127.0.0.1:10250"})["127.0.0.1:10250"]
    assert (node["instance"], node[f"{_META}node_label_zone"]) == ("node-1", "eu-1")
    assert node[f"{_META}node_address_Hostname"] == "node-1"
    pods = _found(platform, "k8s-pod", {"127.0.0.1:8080", "127.0.0.1:9100"})
    pod = pods["127.0.0.1:9100"]
    expected = {
        "namespace": "shop",
        "namespace_label_team": "blue",
        "node_label_zone": "eu-1",
        "pod_name": "shop-1",
        "pod_label_app_kubernetes_io_name": "shop",
        "pod_labelpresent_app_kubernetes_io_name": "true",
        "pod_annotation_prometheus_io_scrape": "true",
        "pod_controller_kind": "ReplicaSet",
        "pod_container_name": "web",
        "pod_container_id": "containerd://1",
        "pod_container_port_name": "metrics",
        "pod_container_port_number": "9100",
        "pod_container_init": "false",
        "pod_ready": "true",
    }
    assert {name: pod.get(_META + name) for name in expected} == expected
    service = _found(platform, "k8s-service", {"shop.shop.svc:80"})["shop.shop.svc:80"]
    assert (service[f"{_META}service_cluster_ip"], service[f"{_META}service_label_tier"]) == ("10.1.0.1", "front")
    _found(platform, "kubectl", {"shop.shop.svc:80"})
    # A port of the pod behind an endpoint is a target, too, even if the endpoint has it not.
    ends = _found(platform, "k8s-endpoints", {"127.0.0.1:8080", "127.0.0.3:8080", "127.0.0.1:9100"})
    assert ends["127.0.0.3:8080"][f"{_META}endpoint_ready"] == "false"
    assert ends["127.0.0.1:8080"][f"{_META}pod_container_port_name"] == "http"
    assert ends["127.0.0.1:8080"][f"{_META}service_label_tier"] == "front"
    assert ends["127.0.0.1:8080"][f"{_META}endpoints_name"] == "shop"
    slices = _found(platform, "k8s-endpointslice", {"127.0.0.1:8080", "127.0.0.1:9100"})
    assert slices["127.0.0.1:8080"][f"{_META}endpointslice_endpoint_zone"] == "eu-1"
    assert slices["127.0.0.1:8080"][f"{_META}service_name"] == "shop"
    ingress = _found(platform, "k8s-ingress", {"a.shop.test", "b.test"})
    assert (ingress["a.shop.test"][f"{_META}ingress_scheme"], ingress["b.test"][f"{_META}ingress_path"]) == (
        "https",
        "/",
    )
    assert not kubernetes.refused
    _changes_are_watched(platform, kubernetes)

    while _targets(platform, "oauth2").get(web.address, {}).get("health") != "up":
        time.sleep(0.1)
    assert web.forms[0]["grant_type"] == ["client_credentials"]
    assert web.forms[0]["scope"] == ["a b"]
    refusal = f"no token from http://{web.address}/token: HTTP status 401 invalid_client"
    assert _failed(platform, "stranger", web.address) == refusal
    while not (proxied := [headers for path, headers in web.asked if path == "http://far.test:8123/metrics"]):
        time.sleep(0.1)
    assert proxied[0]["x-team"] == "blue"
    assert _failed(platform, "many", web.address) == "target_limit exceeded: 2 targets, and target_limit is 1"
