"""Every setting of the platform, declared once: name, type, default, help.

A setting ``wal_max_bytes`` is the flag ``--wal-max-bytes``, the variable ``VEDETTE_WAL_MAX_BYTES`` and the line
``wal_max_bytes = "4GiB"`` of ``vedette.toml``. Flags win over variables, variables over the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.errors import SettingsError
from vedette.sdk.settings import Settings as SdkSettings
from vedette.sdk.variables import SERVICE_LINK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Address", "Settings", "WalSync", "load_settings", "setting_names"]

_UNITS_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS_BYTES |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_UNITS_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a host (IPv4, IPv6 or a name) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


@dataclass(frozen=True, slots=True)
class WalSync:
    """When records reach the disk: before every acknowledgement (`interval_seconds` 0), or every so often."""

    interval_seconds: float

    def __str__(self) -> str:
        return f"interval:{self.interval_seconds * 1000:.0f}ms" if self.interval_seconds else "always"


def parse_bytes(text: str) -> int:
    """``"32MiB"``, ``"1.5 GB"``, ``"4096"`` → bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    factor = _UNITS_BYTES.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is not a size; write for example 32MiB, 1.5GB or 4096")
    return int(float(match[1]) * factor)


def parse_duration(text: str) -> float:
    """``"200ms"``, ``"1s"``, ``"7d"`` → seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 200ms, 1s, 15m, 7d")
    return float(match[1]) * _UNITS_SECONDS[match[2]]


def _parse_period(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < 0.001:  # noqa: PLR2004 - what is handed to the children has milliseconds
        raise ValueError(f"{text!r} would be without a pause; write for example 1s or 1m")
    return seconds


def _parse_interval(text: str) -> float:
    return 0.0 if text.strip().lower() == "off" else parse_duration(text)


def parse_address(text: str) -> Address | None:
    """``"127.0.0.1:7070"`` → an address; ``"off"`` → None."""
    if text.strip().lower() == "off":
        return None
    match = re.fullmatch(r"\s*(?:\[([0-9A-Fa-f:.]+)\]|([^:\s]*)):(\d+)\s*", text)
    if match is None or int(match[3]) > _MAX_PORT:
        raise ValueError(f"{text!r} is not an address; write HOST:PORT, [IPv6]:PORT or off")
    return Address(match[1] or match[2] or "0.0.0.0", int(match[3]))


def parse_sync(text: str) -> WalSync:
    """``"always"`` or ``"interval:200ms"``."""
    if text == "always":
        return WalSync(0.0)
    if not text.startswith("interval:"):
        raise ValueError(f"{text!r} is neither always nor interval:DURATION, for example interval:200ms")
    return WalSync(parse_duration(text.removeprefix("interval:")))


def parse_flag(text: str) -> bool:
    """``"true"`` and ``"false"``, and the usual other ways to write them."""
    lowered = text.strip().lower()
    if lowered in {"true", "yes", "on", "1"}:
        return True
    if lowered in {"false", "no", "off", "0"}:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def parse_count(text: str) -> int:
    """A whole number, 0 or more."""
    if not text.strip().isdecimal():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return text

    return parse


def _parse_names(text: str) -> frozenset[str]:
    names = frozenset(filter(None, (part.strip().lower() for part in text.split(","))))
    if wrong := [name for name in sorted(names) if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name)]:
        raise ValueError(
            f"{wrong[0]!r} is not a host name; write names without port, as vedette.internal,other.internal"
        )
    return names


_LONGEST_ATTRIBUTES = 4096


def _parse_attributes(text: str) -> frozenset[str]:
    names = frozenset(filter(None, (part.strip() for part in text.split(","))))
    if wrong := [name for name in sorted(names) if not name.isprintable()]:
        raise ValueError(f"{wrong[0]!r} is not the name of an attribute; write names such as host.name,k8s.pod.name")
    if len(text.encode("utf-8", "replace")) > _LONGEST_ATTRIBUTES:
        raise ValueError(f"the names have more than {_LONGEST_ATTRIBUTES} bytes")
    return names


_FEATURES = ("promql-delayed-name-removal", "type-and-unit-labels", "use-start-timestamps")


def _parse_features(text: str) -> frozenset[str]:
    names = frozenset(filter(None, (part.strip() for part in text.split(","))))
    if unknown := names.difference(_FEATURES):
        raise ValueError(f"{', '.join(sorted(unknown))} is none of {', '.join(_FEATURES)}")
    return names


def _parse_engine(text: str) -> str:
    if text != "embedded" and not text.startswith(("clickhouse://", "clickhouses://", "http://", "https://")):
        raise ValueError(f"{text!r} is neither embedded nor a URL such as clickhouse://user:password@host:8123")
    return text


def _parse_external_url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise ValueError(f"{text!r} is not the address of a site; write for example https://vedette.example.com/path")
    return text


def _parse_path(text: str) -> Path:
    return Path(text).expanduser()


def _setting(parse: Callable[[str], Any], default: str, help_: str) -> Any:  # noqa: ANN401 - a field of any type
    return field(default_factory=lambda: parse(default), metadata={"parse": parse, "default": default, "help": help_})


_DATA_HOME = os.environ.get("XDG_DATA_HOME") or "~/.local/share"


@dataclass(frozen=True, slots=True)
class Settings:
    """The platform's settings, resolved. `load_settings` makes one from flags, variables and the file."""

    data_dir: Path = _setting(_parse_path, f"{_DATA_HOME}/vedette", "where everything is kept")
    listen: Address = _setting(parse_address, "127.0.0.1:7070", "address of the API and the pages")
    otlp_http: Address | None = _setting(parse_address, "127.0.0.1:4318", "address for OTLP over HTTP, or off")
    otlp_grpc: Address | None = _setting(parse_address, "127.0.0.1:4317", "address for OTLP over gRPC, or off")

    engine: str = _setting(_parse_engine, "embedded", "embedded, or the URL of a ClickHouse server")
    engine_tcp: Address | None = _setting(
        parse_address, "off", "address where ClickHouse clients may query the embedded engine, or off"
    )
    engine_tcp_password_file: str = _setting(
        str, "", "file with user:password that ClickHouse clients must give; without it, loopback addresses only"
    )
    engine_max_memory: int = _setting(parse_bytes, "2GiB", "memory that the embedded engine may use")
    engine_cluster: str = _setting(str, "", "name of the ClickHouse cluster that holds the tables")
    control_url: str = _setting(str, "", "database of users, keys and settings; empty is SQLite in data-dir")

    auth: str = _setting(
        _one_of("auto", "required", "off"),
        "auto",
        "whether API keys are demanded; auto demands them once an admin key exists",
    )
    host_names: frozenset[str] = _setting(
        _parse_names, "", "names besides localhost under which the API answers while it asks for no key, with commas"
    )
    insecure_no_auth: bool = _setting(parse_flag, "false", "listen beyond this machine without an admin key")

    wal_sync: WalSync = _setting(parse_sync, "always", "fsync before every acknowledgement, or interval:DURATION")
    wal_segment_bytes: int = _setting(parse_bytes, "32MiB", "size at which a segment goes to the engine")
    wal_segment_age: float = _setting(parse_duration, "1s", "age at which a segment goes to the engine")
    wal_max_bytes: int = _setting(parse_bytes, "4GiB", "bytes that may wait for the engine before ingest answers 503")

    max_body_bytes: int = _setting(parse_bytes, "64MiB", "largest request body, counted after decompression")
    max_inflight_bytes: int = _setting(parse_bytes, "512MiB", "bytes of all bodies being read at once")
    body_timeout: float = _setting(parse_duration, "30s", "longest wait for the next piece of a request body")
    tenant_max_bytes_per_second: int = _setting(
        parse_bytes, "0", "ingest rate at which a tenant is answered 429; 0 is no limit"
    )

    tenant_max_series: int = _setting(
        parse_count,
        "0",
        "series of metrics that a tenant may have in two days; new ones over it are refused; 0 is none",
    )

    otlp_promote: frozenset[str] = _setting(
        _parse_attributes,
        "",
        "resource attributes that become labels of every series of OTLP's metrics, with commas",
    )
    otlp_delta_memory: int = _setting(
        parse_bytes, "64MiB", "memory for the running sums of OTLP's delta metrics; new streams beyond it are refused"
    )

    traces_budget: int = _setting(parse_bytes, "20GiB", "bytes of spans to keep; the oldest day goes first")
    logs_budget: int = _setting(parse_bytes, "20GiB", "bytes of logs to keep; the oldest day goes first")
    metrics_budget: int = _setting(parse_bytes, "20GiB", "bytes of metrics' samples to keep; the oldest day goes first")
    metrics_5m_budget: int = _setting(
        parse_bytes, "10GiB", "bytes of metrics summed up per 5 minutes to keep; the oldest week goes first"
    )
    metrics_1h_budget: int = _setting(
        parse_bytes, "10GiB", "bytes of metrics summed up per hour, and of labels, to keep; the oldest month goes first"
    )
    metrics_rollup_delay: float = _setting(
        parse_duration, "5m", "how long no sample may have come for an hour before it is summed up"
    )

    upkeep_interval: float = _setting(_parse_period, "1m", "how often budgets are enforced and the map is closed")
    backup_dir: str = _setting(str, "", "where backups are kept; empty is backups/ in data-dir")

    query_max_seconds: float = _setting(parse_duration, "30s", "longest run of one query")
    query_max_memory: int = _setting(parse_bytes, "1GiB", "memory that one query may use")
    query_max_rows: int = _setting(parse_count, "0", "rows that one query may read; 0 is no limit")
    query_concurrency: int = _setting(parse_count, "16", "queries of one tenant that run at once")

    scrape_config: str = _setting(str, "", "Prometheus' configuration file, of which scrape_configs is used")
    scrape_tenant: str = _setting(str, "default", "tenant that scraped samples belong to")
    scrape_registered: float = _setting(
        _parse_interval, "off", "how often services are scraped that registered themselves, of all tenants; or off"
    )
    scrape_dns_server: Address | None = _setting(
        parse_address, "off", "name server for dns_sd_configs; off means those of /etc/resolv.conf"
    )

    external_url: str = _setting(
        _parse_external_url,
        "",
        "where people reach the pages, for links in alerts; empty is the address that the API listens on",
    )
    rule_files: str = _setting(
        str, "", "Prometheus' rule files: names or patterns, by comma; what a group records is kept"
    )
    rules_tenant: str = _setting(str, "default", "tenant that the rules ask, and that recorded samples belong to")
    rules_interval: float = _setting(_parse_period, "1m", "how often groups are evaluated that name no interval")
    rules_patience: float = _setting(
        parse_duration, "30s", "how long rules wait for samples that are on their way; then they see what there is"
    )
    host_metrics: float = _setting(
        _parse_interval, "off", "how often the machine is measured, under node-exporter's names; or off"
    )

    promql_max_samples: int = _setting(parse_count, "50000000", "samples that one PromQL query may hold")
    promql_max_series: int = _setting(parse_count, "500000", "series that a part of a PromQL query may have")
    promql_timeout: float = _setting(parse_duration, "2m", "longest run of one PromQL query")
    promql_features: frozenset[str] = _setting(
        _parse_features, "", "switches of Prometheus, by comma: " + ", ".join(_FEATURES)
    )
    metrics_cache: int = _setting(parse_bytes, "512MiB", "memory for the samples of series that are asked for again")
    metrics_index_series: int = _setting(
        parse_count, "5000000", "series of a tenant whose labels are kept in memory; who has more cannot ask"
    )

    log_level: str = _setting(_one_of("debug", "info", "warning", "error"), "info", "what the platform logs")

    @property
    def engine_socket(self) -> Path:
        """The Unix socket of the embedded engine."""
        return self.data_dir / "engine.sock"

    @property
    def engine_url(self) -> str:
        """Where the engine client connects."""
        return f"unix://{self.engine_socket}" if self.engine == "embedded" else self.engine

    @property
    def wal_dir(self) -> Path:
        """The write-ahead log."""
        return self.data_dir / "wal"

    @property
    def delta_file(self) -> Path:
        """The running sums of delta metrics, from a stop to the next start."""
        return self.data_dir / "delta_streams.npz"

    @property
    def run_dir(self) -> Path:
        """Small files by which the processes tell each other how they are."""
        return self.data_dir / "run"

    @property
    def backup_path(self) -> Path:
        """Where backups are kept."""
        return Path(self.backup_dir).expanduser() if self.backup_dir else self.data_dir / "backups"

    @property
    def control_database(self) -> str:
        """SQLAlchemy URL of the control state."""
        return self.control_url or f"sqlite:///{self.data_dir / 'control.db'}"

    def to_json(self) -> str:
        """For the child processes; `from_json` reads it back."""
        return json.dumps({spec.name: _text(getattr(self, spec.name)) for spec in dataclasses.fields(self)})

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The settings that another process of the same tree resolved."""
        return _build(json.loads(text), "settings of the parent process")


def _text(value: object) -> str:
    if value is None:
        return "off"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.3f}s"
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    return str(value)


def setting_names() -> dict[str, tuple[str, str]]:
    """Every setting's name with its default and help, in declared order."""
    return {spec.name: (spec.metadata["default"], spec.metadata["help"]) for spec in dataclasses.fields(Settings)}


def load_settings(
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Resolve the settings.

    Args:
        flags: From the command line, by setting name.
        environ: The environment; only ``VEDETTE_…`` variables count.
        file: A TOML file. Without it, ``vedette.toml`` in the working directory, if there is one.

    Raises:
        SettingsError: A name is unknown (the nearest one is named), or a value malformed.
    """
    environ = os.environ if environ is None else environ
    names = setting_names()
    # Variables that belong to the command line or the SDK, not to the platform.
    foreign = {"VEDETTE_URL", "VEDETTE_API_KEY", "VEDETTE_TENANT", "VEDETTE_CONFIG"}
    foreign |= {f"VEDETTE_{spec.name.upper()}" for spec in dataclasses.fields(SdkSettings) if spec.name not in names}
    values: dict[str, str] = {}
    path = file or (Path(environ["VEDETTE_CONFIG"]) if "VEDETTE_CONFIG" in environ else None)
    if path is None and Path("vedette.toml").is_file():
        path = Path("vedette.toml")
    if path is not None:
        values |= _read_file(path)
    for variable, value in environ.items():
        if not variable.startswith("VEDETTE_") or variable in foreign or variable.startswith("VEDETTE_TEST_"):
            continue
        if SERVICE_LINK.fullmatch(variable):
            continue
        name = variable.removeprefix("VEDETTE_").lower()
        if name not in names:
            raise SettingsError(_unknown(f"variable {variable}", name, lambda n: "VEDETTE_" + n.upper()))
        values[name] = value
    for name, value in (flags or {}).items():
        if name not in names:
            raise SettingsError(
                _unknown(f"flag --{name.replace('_', '-')}", name, lambda n: "--" + n.replace("_", "-"))
            )
        values[name] = value
    return _build(values, "settings")


def _read_file(path: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    values = {}
    for name, value in document.items():
        if name not in setting_names():
            raise SettingsError(_unknown(f"line {name!r} of {path}", name, str))
        values[name] = _text(value) if isinstance(value, bool) else str(value)
    return values


def _unknown(what: str, name: str, spell: Callable[[str], str]) -> str:
    near = difflib.get_close_matches(name, setting_names(), n=1, cutoff=0.5)
    hint = f" Did you mean {spell(near[0])}?" if near else " `vedette serve --help` lists the settings."
    return f"Unknown setting: {what}.{hint}"


def _build(values: Mapping[str, str], origin: str) -> Settings:
    parsed: dict[str, Any] = {}
    for spec in dataclasses.fields(Settings):
        if spec.name not in values:
            continue
        try:
            parsed[spec.name] = spec.metadata["parse"](values[spec.name])
        except ValueError as error:
            raise SettingsError(f"Setting {spec.name} ({origin}): {error}.") from error
    settings = Settings(**parsed)
    if settings.listen is None:
        raise SettingsError("Setting listen cannot be off: the API lives there.")
    if settings.wal_max_bytes < 2 * settings.wal_segment_bytes:
        raise SettingsError(
            f"Setting wal_max_bytes ({settings.wal_max_bytes}) must be at least twice wal_segment_bytes "
            f"({settings.wal_segment_bytes}), or ingest would stop while a segment is on its way."
        )
    return settings
