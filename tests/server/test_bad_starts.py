"""What stands in the way of a start is said in one sentence, with what to do about it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def _serve(tmp_path: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vedette.cli.entry", "serve"]
    if "--data-dir" not in flags:
        command += ["--data-dir", str(tmp_path / "data")]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VEDETTE_", "OTEL_"))}
    return subprocess.run(
        [*command, *flags], env=clean | environment, capture_output=True, text=True, cwd=tmp_path, check=False
    )


def _refused(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode not in (0, None)
    said = run.stdout + run.stderr
    assert "Traceback" not in said
    return " ".join(said.split())


@pytest.mark.parametrize(
    ("flags", "environment", "words"),
    [
        (["--engine-max-memry", "1GiB"], {}, ["engine-max-memry", "engine-max-memory"]),
        ([], {"VEDETTE_LISTN": "127.0.0.1:1"}, ["VEDETTE_LISTN", "VEDETTE_LISTEN"]),
        (["--listen", "nonsense"], {}, ["listen", "nonsense"]),
        (["--listen=nonsense"], {}, ["listen", "nonsense"]),
        (["--wal-sync", "always", "--listen"], {}, ["--listen", "requires an argument"]),
        (["--config", "not-there.toml"], {}, ["not-there.toml"]),
        (["--listen", "127.0.0.1:99999"], {}, ["listen", "99999"]),
        (["--external-url", "vedette.example.com"], {}, ["external_url", "https://vedette.example.com/path"]),
        (["--external-url", "javascript:alert(1)"], {}, ["external_url", "javascript:alert(1)"]),
        (["--upkeep-interval", "0s"], {}, ["upkeep_interval", "without a pause"]),
        (["--wal-sync", "sometimes"], {}, ["wal_sync", "sometimes"]),
        (["--engine", "postgres://x"], {}, ["engine", "postgres://x", "clickhouse://"]),
        (["--wal-max-bytes", "1MiB"], {}, ["wal_max_bytes", "wal_segment_bytes"]),
        (["--listen", "0.0.0.0:0"], {}, ["--insecure-no-auth", "vedette key create"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_settings(tmp_path, flags, environment, words):
    said = _refused(_serve(tmp_path, *flags, **environment))
    for word in words:
        assert word in said, said


def test_a_wrong_file_names_the_line(tmp_path):
    (tmp_path / "vedette.toml").write_text('listen = "127.0.0.1:7070"\ntraces_budgt = "1GiB"\n')
    run = _serve(tmp_path)
    assert run.returncode == 78  # by which systemd knows that starting again is of no use
    said = _refused(run)
    assert "traces_budgt" in said
    assert "traces_budget" in said


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _refused(_serve(tmp_path, "--listen", f"127.0.0.1:{port}", "--otlp-http", "off", "--otlp-grpc", "off"))
    assert str(port) in said
    assert "in use" in said


def test_a_data_directory_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    said = _refused(_serve(tmp_path, "--data-dir", str(tmp_path / "file"), "--listen", "127.0.0.1:0"))
    assert str(tmp_path / "file") in said


@pytest.fixture(scope="module")
def serving(new_platform, tmp_path_factory):
    """A service and the platform may run with one environment, in Kubernetes behind a Service named `vedette`."""
    environment = {"VEDETTE_ENDPOINT": "http://127.0.0.1:4318", "VEDETTE_SERVICE": "shop", "VEDETTE_API_KEY": "x"}
    environment |= {"VEDETTE_SERVICE_HOST": "10.0.0.7", "VEDETTE_SERVICE_PORT_OTLP_HTTP": "4318"}
    environment |= {"VEDETTE_PORT": "tcp://10.0.0.7:4318", "VEDETTE_PORT_4318_TCP_ADDR": "10.0.0.7"}
    platform = new_platform(tmp_path_factory.mktemp("serving") / "data", [], environment).start()
    yield platform
    platform.stop()


def test_settings_of_the_sdk_are_no_mistake_and_two_have_no_room_on_one_directory(serving, tmp_path):
    assert serving.request("/readyz").status == 200
    said = _refused(_serve(tmp_path, "--data-dir", str(serving.data_dir), "--otlp-http", "off", "--otlp-grpc", "off"))
    assert str(serving.data_dir) in said
    assert serving.request("/healthz").status == 200


def test_a_database_from_a_newer_version(serving):
    answer = _engine(
        serving, "INSERT INTO vedette.schema_migrations (number, name, checksum) VALUES (9999, 'later', 'x')"
    )
    assert answer.returncode == 0, answer.stderr
    serving.stop()
    serving.start(wait=False)
    assert serving.process is not None
    assert serving.process.wait() != 0
    assert "newer version of Vedette" in serving.log
    assert "9999_later" in serving.log


def _engine(platform, statement: str) -> subprocess.CompletedProcess[str]:
    command = [
        "curl",
        "-sS",
        "--fail-with-body",
        "--unix-socket",
        str(platform.data_dir / "engine.sock"),
        "http://engine/",
        "--data-binary",
        statement,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)
