"""The platform beside the shop: `vedette serve` as a child process, or one that runs already."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.cli.client import Client, RequestFailed
from vedette.demo.processes import Child, stop_all
from vedette.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Addresses", "Backend"]

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1
_RULES = Path(__file__).with_name("rules.yml")


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the platform listens, each as HOST:PORT."""

    listen: str = "127.0.0.1:7070"
    otlp_http: str = "127.0.0.1:4318"
    otlp_grpc: str = "127.0.0.1:4317"

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"http://{self.listen}"


class Backend:
    """The platform that the demo feeds. Without `data_dir` it is one that somebody else runs."""

    def __init__(self, addresses: Addresses, client: Client, data_dir: Path | None) -> None:
        self._addresses = addresses
        self._client = client
        self._data_dir = data_dir
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the platform, when it is ours."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the platform.

        Raises:
            StartError: a port is in use, or the data directory cannot be made.
        """
        if self._data_dir is None:
            return
        for option in ("listen", "otlp_http", "otlp_grpc"):
            _require_free(getattr(self._addresses, option), option.replace("_", "-"))
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"Cannot make the data directory {self._data_dir}: {error.strerror}.") from error
        arguments = ["serve", "--data-dir", str(self._data_dir.resolve())]
        for option in ("listen", "otlp_http", "otlp_grpc"):
            arguments += [f"--{option.replace('_', '-')}", getattr(self._addresses, option)]
        if "VEDETTE_RULE_FILES" not in os.environ:
            arguments += ["--rule-files", str(_RULES)]
        self._child = Child("platform", "vedette.cli.entry", arguments, self._data_dir / "platform.log", {})

    def wait_until_ready(self, cancelled: Callable[[], bool]) -> None:
        """Return when the platform is ready, or `cancelled` says so.

        Raises:
            StartError: it ended, it was not ready in a minute, or none runs there.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not cancelled():
            self.check()
            try:
                self._client.json("/readyz")
            except RequestFailed as error:
                if self._data_dir is None and not error.status:
                    raise StartError(
                        f"No platform answers at {self._addresses.url}. Leave out --no-serve to start one, "
                        "or say with --listen where it runs."
                    ) from None
                if time.monotonic() > deadline:
                    output = f"; the end of {self._child.log}:\n{self._child.last_words()}" if self._child else "."
                    raise StartError(f"The platform is not ready after {_READY_SECONDS:.0f} s{output}") from None
                time.sleep(_POLL_SECONDS)
            else:
                return

    def check(self) -> None:
        """Raise StartError when our platform has ended."""
        if self._child is not None and self._child.exit_code is not None:
            raise StartError(f"The platform has ended; the end of {self._child.log}:\n{self._child.last_words()}")

    def stop(self) -> None:
        """Stop the platform, if it is ours."""
        if self._child is not None:
            stop_all([self._child], _STOP_SECONDS)


def _require_free(address: str, option: str) -> None:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except ValueError:
            raise StartError(f"--{option} {address} is not an address; write HOST:PORT.") from None
        except OSError as error:
            raise StartError(
                f"The platform cannot listen on {address} ({(error.strerror or str(error)).lower()}). Choose another "
                f"address with --{option}, or use the platform that runs there with --no-serve."
            ) from None
