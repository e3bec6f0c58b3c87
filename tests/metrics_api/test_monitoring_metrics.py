"""The older monitoring API: measurements by JSON, and services that register themselves and are scraped."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

BASE = "/api/v1/monitoring"
SERVICES = f"{BASE}/service-discovery"


class _Exposition(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path in {"/own/metrics", "/own/metrics?part=a"} else 404)
        self.end_headers()
        self.wfile.write(b"offered 5\n")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def target():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Exposition)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def house(tmp_path_factory, new_platform):
    """A platform that scrapes what is registered with it: itself, and for another tenant by HTTP discovery."""
    folder = tmp_path_factory.mktemp("house")
    flags = ["--scrape-registered", "1s", "--scrape-config", str(folder / "prometheus.yml"), "--scrape-tenant", "sd"]
    platform = new_platform(folder / "data", flags)
    job = {"job_name": "by_http", "scrape_interval": "1s", "scrape_timeout": "1s"}
    job["http_sd_configs"] = [{"url": f"{platform.url}{SERVICES}/targets", "refresh_interval": "1s"}]
    kept: dict[str, Any] = {"url": "http://127.0.0.1:1", "proxy_url": "http://me:hush1@127.0.0.1:1"}
    kept |= {"send_exemplars": True, "queue_config": {"capacity": 1000}}
    kept["http_headers"] = {"X-A": {"secrets": ["hush2"], "values": ["said"]}}
    kept["oauth2"] = {"client_id": "me", "client_secret": "hush3", "token_url": "http://127.0.0.1:1/token"}
    written = {"url": "http://127.0.0.1:1", "sigv4": {"secret_key": "hush4"}, "headers": {"X-Key": "hush5"}}
    document = {"scrape_configs": [job], "remote_write": [kept, written]}
    (folder / "prometheus.yml").write_text(json.dumps(document))
    yield platform.start()
    platform.stop()


def _ask(platform: Any, path: str, body: Any = None, *, method: str = "GET", tenant: str = "default") -> Any:
    headers = {"Content-Type": "application/json", "X-Scope-OrgID": tenant}
    return platform.request(path, None if body is None else json.dumps(body).encode(), method=method, headers=headers)


def test_what_of_several_measurements_is_not_kept_is_told(shared_platform):
    items = [{"name": "kept", "value": 1}, {"name": "timeless", "value": 2, "timestamp": 0}]
    answer = _ask(shared_platform, f"{BASE}/metrics", items, method="POST", tenant="told")
    said = "1 data point cannot be kept: 1 without a time (no_time)."
    assert (answer.status, answer.json()) == (202, {"accepted": 1, "rejected": 1, "reason": said})
    shared_platform.loaded()
    assert shared_platform.sql("SELECT name FROM series WHERE name != 'target_info'", "told") == [{"name": "kept"}]
    answer = _ask(shared_platform, f"{BASE}/metrics", items[0], method="POST", tenant="told")
    assert (answer.status, answer.json()) == (202, {"accepted": 1})


def _values(platform: Any, query: str, tenant: str = "default") -> list[Any]:
    path = f"/prometheus/api/v1/query?{urlencode({'query': query})}"
    found = _ask(platform, path, tenant=tenant).json()["data"]["result"]
    return [one["value"][1] for one in found]


def test_a_registered_service_is_scraped_until_it_leaves(house, target):
    about = {"name": "checkout", "address": target, "metrics_url": "/own/metrics", "labels": {"zone": "eu"}}
    answer = _ask(house, SERVICES, about, method="POST")
    assert answer.status == 201, answer.body
    made = answer.json()
    assert (made["status"], made["metrics_url"]) == ("up", f"http://{target}/own/metrics")
    again = _ask(house, SERVICES, about | {"ttl_seconds": 300}, method="POST").json()
    assert (again["id"], again["ttl_seconds"]) == (made["id"], 300)
    groups = _ask(house, f"{SERVICES}/targets").json()
    assert [group["targets"] for group in groups] == [[target]]
    assert groups[0]["labels"]["__metrics_path__"] == "/own/metrics"
    for tenant in ("default", "sd"):
        while _values(house, f'offered{{job="checkout",zone="eu",instance="{target}"}}', tenant) != ["5"]:
            time.sleep(0.1)
    # The targets page shows each tenant its own.
    for tenant, pool in (("default", "registered"), ("sd", "by_http")):
        shown = _ask(house, "/prometheus/api/v1/targets", tenant=tenant).json()["data"]["activeTargets"]
        assert [(one["scrapePool"], one["labels"]["job"], one["health"]) for one in shown] == [(pool, "checkout", "up")]
        pools = _ask(house, "/prometheus/api/v1/scrape_pools", tenant=tenant).json()["data"]
        assert pools == {"scrapePools": [pool]}
    assert _ask(house, f"{SERVICES}/{made['id']}", method="DELETE").status == 204
    assert _ask(house, f"{SERVICES}/targets").json() == []
    while _values(house, "offered") or _values(house, "offered", "sd"):
        time.sleep(0.1)
    gone = _ask(house, f"{SERVICES}/{made['id']}/heartbeat", {}, method="POST")
    assert gone.status == 404
    assert "register it again" in gone.json()["detail"]


def test_each_tenant_has_what_its_services_offer(house, target):
    url = f"http://{target}/own/metrics?part=a"
    for tenant in ("left", "right"):
        labels = {"job": "forged", "instance": "forged", "side": tenant}
        about = {"name": "shelf", "address": "10.0.0.9:80", "metrics_url": url, "labels": labels, "ttl_seconds": 600}
        assert _ask(house, SERVICES, about, method="POST", tenant=tenant).status == 201
    for tenant in ("left", "right"):
        while not _values(house, "offered", tenant):
            time.sleep(0.1)
        found = _ask(house, "/prometheus/api/v1/series?match[]=offered", tenant=tenant).json()["data"]
        assert found == [{"__name__": "offered", "job": "shelf", "instance": "10.0.0.9:80", "side": tenant}]
        shown = _ask(house, "/prometheus/api/v1/targets", tenant=tenant).json()["data"]["activeTargets"]
        assert [one["scrapeUrl"] for one in shown] == [url]


def test_who_is_not_heard_of_is_down_until_its_heartbeat(house):
    about = {"name": "quiet", "address": "10.9.8.7:80", "metrics_url": "https://[::1]/m", "ttl_seconds": 1}
    made = _ask(house, SERVICES, about, method="POST", tenant="quiet").json()

    def found(name: str = "quiet") -> Any:
        return _ask(house, f"{SERVICES}?name={name}", tenant="quiet").json()["services"]

    while found()[0]["status"] != "down":
        time.sleep(0.1)
    assert _ask(house, f"{SERVICES}/targets", tenant="quiet").json() == []
    assert _ask(house, SERVICES, about | {"ttl_seconds": 600}, method="POST", tenant="quiet").status == 201
    beat = _ask(house, f"{SERVICES}/{made['id']}/heartbeat", {}, method="POST", tenant="quiet").json()
    assert (beat["status"], found("other")) == ("up", [])
    assert _ask(house, f"{SERVICES}/targets", tenant="quiet").json()[0]["targets"] == ["[::1]:443"]
    # Another tenant sees and changes nothing of it.
    assert _ask(house, SERVICES, tenant="foreign").json() == {"services": []}
    assert _ask(house, f"{SERVICES}/{made['id']}", method="DELETE", tenant="foreign").status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "no-port"},
        {"name": ""},
        {"metrics_url": "ftp://a/b"},
        {"metrics_url": "http://user:pass@a/b"},
        {"labels": {"not a name": "x"}},
        {"ttl_seconds": 0},
        {"colour": "red"},
    ],
)
def test_wrong_registrations_are_refused(house, wrong):
    answer = _ask(house, SERVICES, {"name": "n", "address": "a:1", **wrong}, method="POST")
    assert answer.status in {400, 422}
    assert next(iter(wrong)) in answer.body.decode()


def test_measurements_are_kept_and_asked_for(house):
    now = time.time()
    items = [
        {"name": "queue_size", "value": 3, "service": "jobs", "tags": {"queue": "a"}, "timestamp": now - 60},
        {"name": "queue_size", "value": 4, "service": "jobs", "labels": {"queue": "a"}, "timestamp": now - 30},
        {"name": "enrichments", "value": 7, "type": "counter", "service": "jobs"},
    ]
    answer = _ask(house, f"{BASE}/metrics", items, method="POST")
    assert (answer.status, answer.json()) == (202, {"accepted": 3})
    query = f"{BASE}/metrics?{urlencode({'name': 'queue_size', 'service': 'jobs', 'start_time': now - 90})}"
    while not (found := _ask(house, query).json()["metrics"]):
        time.sleep(0.1)
    assert [(one["name"], one["labels"]) for one in found] == [("queue_size", {"job": "jobs", "queue": "a"})]
    values = [point["value"] for point in found[0]["points"]]
    assert (values[0], values[-1], sorted(set(values))) == (3, 4, [3, 4])
    text = _ask(house, f"{BASE}/prometheus").body.decode()
    assert '\nenrichments_total{job="jobs"} 7 ' in text
    assert 'queue_size{job="jobs",queue="a"} 4 ' in text
    assert "queue_size" not in _ask(house, f"{BASE}/prometheus?name=enrichments_total").body.decode()
    for wrong in ({"name": "a"}, {"name": "", "value": 1}, {"name": "a", "value": 1, "timestamp": "soon"}):
        assert _ask(house, f"{BASE}/metrics", wrong, method="POST").status in {400, 422}


def test_the_configuration_is_shown_without_its_secrets(house):
    while not (text := _ask(house, "/prometheus/api/v1/status/config", tenant="sd").json()["data"]["yaml"]):
        time.sleep(0.1)
    shown = yaml.safe_load(text)
    assert shown["scrape_configs"][0]["job_name"] == "by_http"
    kept, written = shown["remote_write"]
    assert kept["proxy_url"] == "http://me:xxxxx@127.0.0.1:1"
    assert kept["http_headers"]["X-A"] == {"secrets": ["<secret>"], "values": ["said"]}
    assert kept["oauth2"] == {
        "client_id": "me",
        "client_secret": "<secret>",
        "token_url": "http://127.0.0.1:1/token",
    }
    assert (kept["send_exemplars"], kept["queue_config"]) == (True, {"capacity": 1000})
    assert written["sigv4"] == {"secret_key": "<secret>"}
    assert "hush" not in text
