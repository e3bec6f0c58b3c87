"""Starts the shop, deploys new versions of its services when the timetable says so, and stops it."""

from __future__ import annotations

import http.client
import json
import socket
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vedette.demo.processes import Child, stop_all
from vedette.demo.stage import Stage
from vedette.demo.timetable import FIRST_VERSIONS, Release, Timetable
from vedette.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Director", "Plan"]

_PORTS = {"gateway": 17100, "catalog": 17101, "orders": 17102, "payments": 17103}
_STOP_SECONDS = 6.0
_OVERLAP_SECONDS = 20.0  # a new version that is not up by then replaces the old one all the same
_RESTART_SECONDS = 2.0
_MOST_FAILED_STARTS = 3
_STABLE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the shop is to be run. `day_seconds` is the length of one of its days; `rate` is in requests per second."""

    seed: int
    rate: float
    day_seconds: float
    otlp_http: str
    otlp_grpc: str


@dataclass
class _Service:
    """One service: what it is told, the process that runs it, and its successor while both run."""

    stage: Stage
    child: Child
    successor: tuple[Stage, Child] | None = None
    failed_starts: int = 0


class Director:
    """The shop's processes.

    `directory` is for the shop's databases and the output of its processes; `env` is added to their environment. Use
    it from the main thread: `start`, then `open`, then `tick` about once a second. `opened` is the Unix time from which
    on visitors may have come.
    """

    def __init__(self, plan: Plan, directory: Path, env: Mapping[str, str]) -> None:
        self._directory = directory
        self._env = env
        self._begun = self.opened = time.time()
        self._timetable = Timetable(plan.seed, plan.day_seconds)
        self._releases = self._all_releases()
        self._next_release = next(self._releases)
        ports = {service: _free_port(port) for service, port in _PORTS.items()}
        self._stage = Stage(
            service="",
            version="",
            flaw=None,
            instance="",
            port=0,
            peers={service: f"http://127.0.0.1:{port}" for service, port in ports.items()},
            otlp_http=plan.otlp_http,
            otlp_grpc=plan.otlp_grpc,
            seed=plan.seed,
            day_seconds=plan.day_seconds,
            opened=self._begun,
            rate=plan.rate,
        )
        self._ports = ports
        self._services: dict[str, _Service] = {}
        self._load: Child | None = None

    @property
    def seconds_open(self) -> float:
        """How long the shop has been open."""
        return time.time() - self._begun

    @property
    def incidents(self) -> frozenset[str]:
        """What is going wrong right now."""
        return self._timetable.active(self.seconds_open)

    @property
    def demand(self) -> float:
        """How busy the shop is, relative to the mean."""
        return self._timetable.demand(self.seconds_open)

    @property
    def versions(self) -> dict[str, str]:
        """The version that each service runs."""
        return {name: service.stage.version for name, service in self._services.items()}

    @property
    def gateway_url(self) -> str:
        """Where the shop itself answers."""
        return self._stage.peers["gateway"]

    @property
    def children(self) -> list[Child]:
        """Every process of the shop."""
        running = [] if self._load is None else [self._load]
        for service in self._services.values():
            running.append(service.child)
            if service.successor is not None:
                running.append(service.successor[1])
        return running

    def start(self) -> None:
        """Start the services."""
        for service, version in FIRST_VERSIONS.items():
            stage = self._stage_of(service, version, None)
            self._services[service] = _Service(stage, self._spawn(stage))

    def open(self) -> None:
        """Let the visitors in. Before, nothing sends spans, so a platform that still starts refuses none."""
        self.opened = time.time()
        self._load = self._spawn_load()

    def tick(self) -> None:
        """Deploy what is due and restart what has died.

        Raises:
            StartError: a service ended several times right after its start.
        """
        if self.seconds_open >= self._next_release.at:
            self._deploy(self._next_release)
            self._next_release = next(self._releases)
        for service in self._services.values():
            if service.successor is not None:
                self._hand_over(service, service.successor)
            elif service.child.exit_code is not None:
                self._restart(service)
        if self._load is not None and self._load.exit_code is not None:
            self._load = self._spawn_load()

    def stop(self) -> None:
        """Stop everything: first the visitors, then the services, which send what they still hold."""
        if self._load is not None:
            stop_all([self._load], _STOP_SECONDS)
        stop_all(self.children, _STOP_SECONDS)

    def _all_releases(self) -> Iterator[Release]:
        day = 0
        while True:
            yield from self._timetable.releases(day)
            day += 1

    def _stage_of(self, service: str, version: str, flaw: str | None) -> Stage:
        instance = f"{service}-{uuid.uuid4().hex[:8]}"
        port = self._ports.get(service, 0)
        return replace(self._stage, service=service, version=version, flaw=flaw, instance=instance, port=port)

    def _spawn(self, stage: Stage) -> Child:
        log = self._directory / f"{stage.service}.log"
        return Child(stage.service, "vedette.demo.shop", [stage.as_json()], log, self._env)

    def _spawn_load(self) -> Child:
        log = self._directory / "load.log"
        return Child("load", "vedette.demo.load", [self._stage.as_json()], log, self._env)

    def _deploy(self, release: Release) -> None:
        service = self._services[release.service]
        stage = self._stage_of(release.service, release.version, release.flaw)
        if not stage.port:  # one consumer at a time: the worker stops before its successor starts
            stop_all([service.child], _STOP_SECONDS)
            service.stage, service.child = stage, self._spawn(stage)
        elif service.successor is None:
            service.successor = (stage, self._spawn(stage))

    def _hand_over(self, service: _Service, successor: tuple[Stage, Child]) -> None:
        """Both versions listen on one port (SO_REUSEPORT); the old one goes once the new one has answered."""
        stage, child = successor
        late = time.monotonic() - child.started > _OVERLAP_SECONDS
        if late or child.exit_code is not None or _answers_as(stage):
            service.child.ask_to_stop()
            service.child.wait(_STOP_SECONDS)
            service.stage, service.child, service.successor = stage, child, None

    def _restart(self, service: _Service) -> None:
        age = time.monotonic() - service.child.started
        if age > _STABLE_SECONDS:
            service.failed_starts = 0
        if age < _RESTART_SECONDS * (service.failed_starts + 1):
            return
        service.failed_starts += 1
        if service.failed_starts >= _MOST_FAILED_STARTS:
            raise StartError(f"The shop's {service.child.name} does not start. It said:\n{service.child.last_words()}")
        stage = self._stage_of(service.stage.service, service.stage.version, service.stage.flaw)
        service.stage, service.child = stage, self._spawn(stage)


def _free_port(wanted: int) -> int:
    """`wanted` when nobody listens there, else a port that the system chooses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers_as(stage: Stage) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=0.5)
    try:
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read())
        return bool(answer.get("instance") == stage.instance)
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
