"""Every setting of the SDK once: name, type, default, variables, help.

An argument of `vedette.configure` wins over `VEDETTE_<NAME>`, which wins over OpenTelemetry's variable, which wins
over the default.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from os import PathLike, fspath
from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import unquote, urlsplit

from vedette.errors import SettingsError
from vedette.sdk.traces.sampling import Ratio, RouteRatios, Sampler, parse_sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Options", "Settings", "load"]

_TRUE, _FALSE = frozenset(("1", "true", "yes", "on")), frozenset(("0", "false", "no", "off"))
_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}
_SIGNALS = frozenset(("traces", "logs", "metrics"))
_ELSEWHERE = frozenset(("none", "console", "prometheus"))  # OpenTelemetry's exporters that send nothing by OTLP
_MIB = 1 << 20
_INDEX = re.compile(r"[a-z0-9][a-z0-9._+-]{0,254}")


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("use true or false")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("use a number") from None


def _milliseconds(text: str) -> float:
    return _number(text) / 1000


def _otlp_timeout(text: str) -> float:
    """Seconds, as OpenTelemetry's SDK for Python takes them; from 1,000 on milliseconds, as its specification says."""
    number = _number(text)
    return number / 1000 if number >= 1000 else number


def _count(text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise ValueError("use a whole number") from None


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for pair in text.split(","):
        key, equals, value = pair.partition("=")
        if equals:
            found[key.strip()] = unquote(value.strip())
        elif pair.strip():
            raise ValueError("use key=value,key=value")
    return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _level(text: str) -> int:
    level = _LEVELS.get(text.strip().upper())
    if level is None:
        raise ValueError("use debug, info, warning, error or critical")
    return level


def level_number(level: str | int) -> int:
    """The standard library's number of a level.

    Raises:
        SettingsError: there is no such level.
    """
    try:
        if not isinstance(level, (int, str)):
            raise ValueError("use debug, info, warning, error or critical")  # noqa: TRY301, TRY004
        return level if isinstance(level, int) else _level(level)
    except ValueError as error:
        raise SettingsError(f"Level {level!r} is not known: {error}.") from None


def _levels(text: str) -> dict[str, int]:
    return {name: _level(word) for name, word in _pairs(text).items()}


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError("use " + ", ".join(words[:-1]) + f" or {words[-1]}")
        return word

    return parse


def _sampling(text: str) -> Sampler:
    try:
        return Ratio(float(text))
    except ValueError:
        name, _, argument = text.partition(":")
        return parse_sampler(name.strip(), argument.strip() or None)


def _text(text: str) -> str:
    return text


def _index(text: str) -> str:
    named = strftime(text, gmtime(0))
    if not _INDEX.fullmatch(named) or named in {".", ".."}:
        raise ValueError("an index has lower-case letters, digits, -, _, + and ., and begins with a letter or digit")
    return text


def _signals(text: str) -> tuple[str, ...]:
    words = _words(text.lower())
    if not _SIGNALS.issuperset(words):
        raise ValueError("use traces, logs and metrics")
    return words


def _only_argument(text: str) -> Any:
    raise ValueError(f"give a dictionary, not {text!r}")


def _patterns(text: str) -> tuple[str, ...]:
    return _words(text)  # `_fitting` looks at each


def _compiled(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression ({error})") from None


# What a value is that is given by the program and not as text.
_KINDS: dict[Any, tuple[Any, str]] = {
    _number: ((int, float), "a number"),
    _count: (int, "a whole number"),
    _boolean: (bool, "true or false"),
    _level: (int, "a level's name or number"),
    _pairs: (Mapping, "a dictionary"),
    _levels: (Mapping, "a dictionary"),
    _only_argument: (Mapping, "a dictionary"),
    _words: (Collection, "a list of texts"),
    _signals: (Collection, "a list of texts"),
    _patterns: (Collection, "a list of texts"),
    _sampling: ((int, float, Mapping, Sampler), "a ratio, ratios by route, or a sampler's name"),
}


def _fitting(value: Any, parse: Callable[[str], Any], least: int) -> Any:
    """`value` as a setting that is read by `parse` may have it.

    Raises:
        ValueError: it may not; the message says what it may be.
    """
    kind, words = _KINDS.get(parse, (str, "a text"))
    if isinstance(value, PathLike):
        value = fspath(value)
    listed = kind is Collection and not isinstance(value, str)
    if not isinstance(value, kind) or (listed and not all(isinstance(item, str) for item in value)):
        raise ValueError(f"use {words}")
    if parse in {_number, _count} and not value >= least:  # NaN, too
        raise ValueError(f"use {words} from {least} on")
    if parse is _patterns:
        for pattern in value:
            _compiled(pattern)
    if parse is _signals and not _SIGNALS.issuperset(value):
        raise ValueError("use traces, logs and metrics")
    return value


def _setting(
    default: Any,
    parse: Callable[[str], Any],
    words: str,
    otel: str = "",
    otel_parse: Callable[[str], Any] | None = None,
    least: int = 0,
) -> Any:
    """A setting; a number is at `least` so much. OpenTelemetry's variable for it may have another form or unit."""
    names = ((otel, otel_parse or parse),) if otel else ()
    return dataclass_field(default=default, metadata={"parse": parse, "help": words, "otel": names, "least": least})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings in force."""

    service: str | None = _setting(None, _text, "the service's name", "OTEL_SERVICE_NAME")
    version: str | None = _setting(None, _text, "the service's version")
    environment: str | None = _setting(None, _text, "production, staging, development …")
    enabled: bool = _setting(True, _boolean, "false records nothing at all")
    endpoint: str = _setting(
        "http://127.0.0.1:4318", _text, "where OTLP goes; /v1/traces and so on are added", "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    endpoints: Mapping[str, str] = _setting(
        None, _pairs, "where single signals go instead, as complete URLs: traces=http://tempo:4318/v1/traces"
    )
    protocol: str = _setting(
        "http/protobuf", _one_of("http/protobuf", "grpc"), "the transport of OTLP", "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    headers: Mapping[str, str] = _setting(None, _pairs, "sent with every request", "OTEL_EXPORTER_OTLP_HEADERS")
    signal_headers: Mapping[str, Mapping[str, str]] = _setting(
        None, _only_argument, "headers of single signals, instead of `headers`; OTEL_EXPORTER_OTLP_<SIGNAL>_HEADERS"
    )
    api_key: str | None = _setting(None, _text, "sent to `endpoint` as `Authorization: Bearer …`")
    compression: str = _setting(
        "auto",
        _one_of("auto", "gzip", "zstd", "none"),
        "auto: gzip, but nothing on loopback",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
    )
    certificate: str | None = _setting(
        None, _text, "a file of the authorities to trust, instead of the system's", "OTEL_EXPORTER_OTLP_CERTIFICATE"
    )
    client_certificate: str | None = _setting(
        None, _text, "a file with the certificate to show to the endpoint", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
    )
    client_key: str | None = _setting(None, _text, "a file with its key", "OTEL_EXPORTER_OTLP_CLIENT_KEY")
    timeout_seconds: float = _setting(
        10.0, _number, "the longest that one request may take", "OTEL_EXPORTER_OTLP_TIMEOUT", _otlp_timeout
    )
    export: bool = _setting(True, _boolean, "false sends nothing; files and /metrics still work")
    signals: Sequence[str] = _setting(
        None, _signals, "what is sent: traces, logs, metrics; OTEL_<SIGNAL>_EXPORTER=none or =console takes one out"
    )
    export_interval_seconds: float = _setting(
        1.0, _number, "how often spans and logs are sent", "OTEL_BSP_SCHEDULE_DELAY", _milliseconds
    )
    metrics_interval_seconds: float = _setting(
        15.0, _number, "how often metrics are sent", "OTEL_METRIC_EXPORT_INTERVAL", _milliseconds
    )
    shutdown_timeout_seconds: float = _setting(3.0, _number, "the longest that the program's end may wait")
    queue_size: int = _setting(
        16384, _count, "spans, and log records of four fields, that may wait", "OTEL_BSP_MAX_QUEUE_SIZE", least=1
    )
    spool_dir: str = _setting("", _text, "where telemetry waits while the endpoint is away; `off` for nowhere")
    spool_bytes: int = _setting(128 * _MIB, _count, "the most that waits there")
    sampling: Sampler = _setting(None, _sampling, "a ratio, or the name of a sampler", "OTEL_TRACES_SAMPLER")
    tail_keep_slow_seconds: float | None = _setting(
        None, _number, "record every trace, keep those with errors or at least this slow, and the sampled ones"
    )
    tail_keep_debug: bool = _setting(False, _boolean, "with it: log the debug records of the traces that are kept")
    console: bool = _setting(False, _boolean, "print finished spans to stderr")
    log_level: int = _setting(20, _level, "the least severe level that is logged", "OTEL_LOG_LEVEL")
    log_levels: Mapping[str, int | str] = _setting(None, _levels, "levels by logger: sqlalchemy=warning,app.db=debug")
    log_remote_levels: bool = _setting(True, _boolean, "the endpoint may change levels by an answer's header")
    log_rate: int = _setting(0, _count, "how often a second one message of one logger is logged; 0 for always")
    log_sample: int = _setting(0, _count, "beyond log_rate each so-manieth is logged all the same; 0 for none")
    log_format: str = _setting(
        "auto", _one_of("auto", "json", "console", "none"), "auto: by the environment, else console on a terminal"
    )
    log_file: str | None = _setting(None, _text, "a file instead of stdout")
    log_rotate_bytes: int = _setting(0, _count, "start a new log file at this size; 0 for never")
    log_rotate_seconds: float = _setting(0.0, _number, "start a new log file at this age; 0 for never")
    log_keep_files: int = _setting(10, _count, "how many rotated log files are kept")
    log_keep_seconds: float = _setting(0.0, _number, "how long rotated log files are kept; 0 for ever")
    log_buffer: bool = _setting(True, _boolean, "lines are written by the background thread; false: by the caller")
    log_stdlib: bool = _setting(True, _boolean, "records of the standard library's loggers go the same way")
    log_to_stdlib: bool = _setting(
        False, _boolean, "our loggers' records also go to handlers that the program gave the standard library's loggers"
    )
    elasticsearch_url: str | None = _setting(None, _text, "where logs also go, by Elasticsearch's bulk API")
    elasticsearch_index: str = _setting("vedette-%Y.%m.%d", _index, "the index, with strftime's codes for the day")
    elasticsearch_api_key: str | None = _setting(None, _text, "Elasticsearch's API key, in its encoded form")
    audit_file: str | None = _setting(None, _text, "where audit events are kept; by default in the user's state folder")
    redaction: bool = _setting(True, _boolean, "secrets are masked before anything leaves the process")
    redact_keys: Sequence[str] = _setting((), _words, "further key words whose values are masked")
    redact_patterns: Sequence[str] = _setting((), _patterns, "further regular expressions that are masked")
    attribute_length: int = _setting(
        65536, _count, "the longest attribute value in characters", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", least=1
    )
    max_series: int = _setting(10_000, _count, "label sets per metric; further ones are counted together", least=1)
    process_metrics: bool = _setting(True, _boolean, "report CPU, memory, threads and garbage collection")
    host_metrics: bool = _setting(False, _boolean, "report the host's CPUs, memory, disks and network")
    resource: Mapping[str, Any] = _setting(None, _pairs, "further resource attributes")
    sql_parameters: bool = _setting(False, _boolean, "spans of statements have their parameters, redacted")
    propagators: Sequence[str] = _setting(
        ("tracecontext", "baggage"), _words, "how context travels: tracecontext, baggage, b3, b3multi, jaeger",
        "OTEL_PROPAGATORS",
    )  # fmt: skip


class Options(TypedDict, total=False):
    """The keyword arguments of `vedette.configure`; see `Settings`."""

    version: str | None
    environment: str | None
    enabled: bool
    endpoint: str
    endpoints: Mapping[str, str]
    protocol: str
    headers: Mapping[str, str]
    signal_headers: Mapping[str, Mapping[str, str]]
    api_key: str | None
    compression: str
    certificate: str | PathLike[str] | None
    client_certificate: str | PathLike[str] | None
    client_key: str | PathLike[str] | None
    timeout_seconds: float
    export: bool
    signals: Sequence[str]
    export_interval_seconds: float
    metrics_interval_seconds: float
    shutdown_timeout_seconds: float
    queue_size: int
    spool_dir: str | PathLike[str]
    spool_bytes: int
    sampling: Sampler | float | Mapping[str, float]
    tail_keep_slow_seconds: float | None
    tail_keep_debug: bool
    console: bool
    log_level: str | int
    log_levels: Mapping[str, int | str]
    log_remote_levels: bool
    log_rate: int
    log_sample: int
    log_format: str
    log_file: str | PathLike[str] | None
    log_rotate_bytes: int
    log_rotate_seconds: float
    log_keep_files: int
    log_keep_seconds: float
    log_buffer: bool
    log_stdlib: bool
    log_to_stdlib: bool
    elasticsearch_url: str | None
    elasticsearch_index: str
    elasticsearch_api_key: str | None
    audit_file: str | PathLike[str] | None
    redaction: bool
    redact_keys: Sequence[str]
    redact_patterns: Sequence[str]
    attribute_length: int
    max_series: int
    process_metrics: bool
    host_metrics: bool
    resource: Mapping[str, Any]
    sql_parameters: bool
    propagators: Sequence[str]


def _from_environment(name: str, declared: Mapping[str, Any]) -> Any:
    for variable, read in ((f"VEDETTE_{name.upper()}", declared["parse"]), *declared["otel"]):
        text = os.environ.get(variable)
        if not text:
            continue
        if variable == "OTEL_TRACES_SAMPLER":
            text = f"{text}:{os.environ.get('OTEL_TRACES_SAMPLER_ARG', '')}"
        try:
            return _fitting(read(text), declared["parse"], declared["least"])
        except ValueError as error:
            raise SettingsError(f"{variable}={text!r} cannot be used: {error}.") from None
    return None


def _from_argument(name: str, value: Any, declared: Mapping[str, Any]) -> Any:
    """A value that `configure` was given; it may be written as in a variable."""
    try:
        read = declared["parse"](value) if isinstance(value, str) else value
        return _fitting(read, declared["parse"], declared["least"])
    except ValueError as error:
        raise SettingsError(f"configure({name}={value!r}) cannot be used: {error}.") from None


def _as_sampler(value: object) -> object:
    if isinstance(value, (int, float)):
        return Ratio(float(value))
    if isinstance(value, Mapping):
        return RouteRatios(value)
    return value


def _default_spool() -> str:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return str(Path(tempfile.gettempdir()) / f"vedette-{user}" / "spool")


def _by_signal(values: dict[str, Any]) -> None:
    """Put `endpoints` and `signal_headers` together, from the arguments and OpenTelemetry's variables."""
    endpoints, headers = dict(values["endpoints"] or {}), dict(values["signal_headers"] or {})
    for signal in _SIGNALS:
        prefix = f"OTEL_EXPORTER_OTLP_{signal.upper()}"
        if signal not in endpoints and (url := os.environ.get(f"{prefix}_ENDPOINT")):
            endpoints[signal] = url
        if signal not in headers and (text := os.environ.get(f"{prefix}_HEADERS")):
            try:
                headers[signal] = _pairs(text)
            except ValueError as error:
                raise SettingsError(f"{prefix}_HEADERS={text!r} cannot be used: {error}.") from None
    for name, found in (("endpoints", endpoints), ("signal_headers", headers)):
        if unknown := found.keys() - _SIGNALS:
            raise SettingsError(f"{name}: {min(unknown)!r} is no signal; use traces, logs and metrics.")
    for signal in endpoints:
        _check_url(endpoints, signal, f"http://collector:4318/v1/{signal}")
    values["endpoints"], values["signal_headers"] = endpoints, headers


def load(service: str | None, options: Options) -> Settings:
    """The settings from arguments, `VEDETTE_*` and `OTEL_*` variables and defaults, in this order.

    Raises:
        SettingsError: a name is unknown or a value cannot be used; the message names the argument or variable.
    """
    given: dict[str, Any] = {"service": service, **options}
    declared = {item.name: item for item in fields(Settings)}
    for name in given:
        if name not in declared:
            raise SettingsError(f"configure() has no setting {name!r}. The settings are: {', '.join(declared)}.")
    values: dict[str, Any] = {}
    for name, item in declared.items():
        value = given.get(name)
        value = _from_environment(name, item.metadata) if value is None else _from_argument(name, value, item.metadata)
        values[name] = item.default if value is None else value
    values["sampling"] = _as_sampler(values["sampling"]) or Ratio(1.0)
    exporters = {signal: _words(os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").lower()) for signal in _SIGNALS}
    if values["signals"] is None:
        values["signals"] = [s for s in sorted(_SIGNALS) if not exporters[s] or not _ELSEWHERE.issuperset(exporters[s])]
    values["signals"] = _signals(",".join(values["signals"]))
    if "console" in exporters["traces"] and "console" not in given:
        values["console"] = True
    for name in ("certificate", "client_certificate", "client_key"):
        if values[name] is not None and not Path(values[name]).is_file():
            raise SettingsError(f"{name}: there is no file {values[name]!r}.")
    _by_signal(values)
    values["headers"] = dict(values["headers"] or {})
    values["log_levels"] = {name: level_number(level) for name, level in dict(values["log_levels"] or {}).items()}
    values["resource"] = dict(values["resource"] or {})
    values["spool_dir"] = values["spool_dir"] or _default_spool()
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" and "enabled" not in given:
        values["enabled"] = False
    if values["tail_keep_slow_seconds"] is not None and not values["sampling"].is_ratio:
        raise SettingsError("tail_keep_slow_seconds goes with a ratio as the sampling, not with another sampler.")
    if values["tail_keep_debug"] and values["tail_keep_slow_seconds"] is None:
        raise SettingsError("tail_keep_debug goes with tail_keep_slow_seconds: it is about the traces kept by it.")
    _check_url(values, "endpoint", "http://collector:4318")
    if values["elasticsearch_url"] is not None:
        _check_url(values, "elasticsearch_url", "https://elasticsearch:9200")
    return Settings(**values)


def _check_url(values: dict[str, Any], name: str, example: str) -> None:
    try:
        parts = urlsplit(values[name])
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        shown = re.sub(r"//[^/@]*@", "//…@", values[name])
        raise SettingsError(f"{name} {shown!r} is no URL such as {example}.")
