"""Prometheus' configuration file, as far as it is about scraping."""

from __future__ import annotations

import glob
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from vedette.errors import SettingsError
from vedette.server.query.promql.histogram import FINEST
from vedette.server.rules.yaml_text import read_yaml, yaml_problem
from vedette.server.scrape.alertmanagers import AlertingConfig, read_alerting
from vedette.server.scrape.client_config import CLIENT_FIELDS, CLIENT_REFUSED, ClientConfig, read_client
from vedette.server.scrape.discovery.config import DISCOVERY_FIELDS, DISCOVERY_REFUSED, Discovery, read_discovery
from vedette.server.scrape.native_limits import schema_of_factor
from vedette.server.scrape.other_parts import check_other_parts
from vedette.server.scrape.relabel_config import read_rules
from vedette.server.scrape.section import Section

if TYPE_CHECKING:
    from vedette.server.scrape.relabel import Rule

__all__ = ["PROTOCOLS", "Job", "ScrapeConfig", "included_files", "load_config", "parse_config"]

log = logging.getLogger(__name__)

PROTOCOLS = {
    "PrometheusProto": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
    "PrometheusText1.0.0": "text/plain;version=1.0.0",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
}
_TEXT_PROTOCOLS = ("OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4")
_ESCAPINGS = ("allow-utf-8", "underscores", "dots", "values")
_TOP = {"global", "scrape_configs", "scrape_config_files", "rule_files"}
# Parts of the file that are about other things; a file that Prometheus runs with is taken as it is.
_TOP |= {"remote_write", "remote_read", "alerting", "storage", "tracing", "otlp", "runtime"}
_LIMITS = (
    "sample_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "target_limit",
    "keep_dropped_targets",
)
_LEGACY_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([*#$@!?0-9-]|[a-zA-Z_][a-zA-Z0-9_]*)|\{)")
_INTERVAL_SECONDS = 60.0
_TIMEOUT_SECONDS = 10.0
# What a job has and `global` gives the default of.
_COMMON = {
    "scrape_interval",
    "scrape_timeout",
    "scrape_protocols",
    "scrape_native_histograms",
    "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb",
    "extra_scrape_metrics",
    "body_size_limit",
    "metric_name_escaping_scheme",
    "metric_name_validation_scheme",
    "scrape_failure_log_file",
    *_LIMITS,
}
_GLOBAL = _COMMON | {"evaluation_interval", "external_labels", "query_log_file", "rule_query_offset"}
_JOB = _COMMON | CLIENT_FIELDS | DISCOVERY_FIELDS
_JOB |= {
    "job_name",
    "metrics_path",
    "scheme",
    "params",
    "fallback_scrape_protocol",
    "scrape_classic_histograms",
    "honor_labels",
    "honor_timestamps",
    "track_timestamps_staleness",
    "relabel_configs",
    "metric_relabel_configs",
    "enable_compression",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One of ``scrape_configs``. Limits of 0 are none."""

    name: str
    interval_seconds: float
    timeout_seconds: float
    path: str = "/metrics"
    scheme: str = "http"
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    protocols: tuple[str, ...] = _TEXT_PROTOCOLS
    fallback_protocol: str = ""
    escaping: str = "allow-utf-8"
    native_histograms: bool = False
    classic_histograms: bool = False
    convert_classic: bool = False
    extra_metrics: bool = False
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps: bool = False
    discovery: Discovery = field(default_factory=Discovery)
    client: ClientConfig = field(default_factory=ClientConfig)
    relabel: tuple[Rule, ...] = ()
    metric_relabel: tuple[Rule, ...] = ()
    sample_limit: int = 0
    label_limit: int = 0
    label_name_length_limit: int = 0
    label_value_length_limit: int = 0
    target_limit: int = 0
    keep_dropped_targets: int = 0
    body_size_limit: int = 0
    compression: bool = True
    bucket_limit: int = 0
    finest_schema: int = FINEST
    legacy_names: bool = False
    failure_log: str = ""


@dataclass(frozen=True, slots=True)
class ScrapeConfig:
    """The jobs of a file, its rule files, its Alertmanagers, the labels of what leaves here, and its text."""

    jobs: tuple[Job, ...]
    rule_files: tuple[str, ...]
    interval_seconds: float
    query_offset_seconds: float
    external_labels: tuple[tuple[str, str], ...]
    alerting: AlertingConfig
    text: str


def load_config(path: Path) -> ScrapeConfig:
    """Read a configuration.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    return parse_config(text, path.parent)


def included_files(path: Path) -> list[str]:
    """The patterns of other files that a configuration names under ``scrape_config_files``, whatever else is in it."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, RecursionError, yaml.YAMLError):
        return []  # reading it for good says what is wrong
    patterns = document.get("scrape_config_files") if isinstance(document, dict) else None
    return [str(path.parent / str(pattern)) for pattern in patterns] if isinstance(patterns, list) else []


def parse_config(text: str, folder: Path) -> ScrapeConfig:
    """Understand a configuration; file names in it are relative to `folder`.

    Raises:
        SettingsError: something in it is wrong; the message says where.
    """
    try:
        document = read_yaml(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"The configuration is not valid YAML: {yaml_problem(error)}") from error
    top = Section(document, "the configuration", folder)
    top.only(_TOP)
    common = top.section("global")
    common.only(_GLOBAL)
    if common.seconds("scrape_timeout", 0.0) > common.seconds("scrape_interval", _INTERVAL_SECONDS):
        raise SettingsError(f"{common.where}: scrape_timeout is longer than scrape_interval.")
    check_other_parts(top)
    jobs = [_job(section, common) for section in [*top.sections("scrape_configs"), *_of_files(top)]]
    names = [job.name for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"scrape_configs has two jobs named {name!r}; each needs a name of its own.")
    rule_files = tuple(str(folder / item) for item in top.texts("rule_files"))
    interval, offset = common.seconds("evaluation_interval", 60.0), common.seconds("rule_query_offset", 0.0)
    alerting = read_alerting(top.section("alerting"))
    return ScrapeConfig(tuple(jobs), rule_files, interval, offset, _external_labels(common), alerting, text)


def _external_labels(common: Section) -> tuple[tuple[str, str], ...]:
    """The labels with the variables of the environment in them, by name."""
    found = common.section("external_labels")
    legacy = common.text("metric_name_validation_scheme") == "legacy"
    for name in found.value:
        if not name or (legacy and not _LEGACY_NAME.fullmatch(name)):
            raise SettingsError(f"{found.where}: {name!r} is not a valid label name.")
    return tuple(sorted((name, _VARIABLE.sub(_variable, found.text(name))) for name in found.value))


def _variable(found: re.Match[str]) -> str:
    """What stands for ``$NAME`` or ``${NAME}``; ``$$`` is a dollar."""
    name = found[1] or found[2] or ""
    if name and name != "$" and not os.environ.get(name):
        log.warning("external_labels: the variable %s of the environment is empty.", name)
    return "$" if name == "$" else os.environ.get(name, "")


def _of_files(top: Section) -> list[Section]:
    """The ``scrape_configs`` of other files."""
    found: list[Section] = []
    for pattern in top.texts("scrape_config_files"):
        for name in sorted(glob.glob(str(top.folder / pattern))):  # noqa: PTH207 - an absolute pattern
            path = Path(name)
            try:
                document = read_yaml(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise SettingsError(f"Cannot read {name}: {error}") from error
            section = Section(document, name, path.parent)
            section.only({"scrape_configs"})
            found += section.sections("scrape_configs")
    return found


def _job(section: Section, common: Section) -> Job:
    name = section.text("job_name")
    if not name:
        raise SettingsError(f"{section.where} has no job_name.")
    section.where = f"job {name!r}"
    section.only(_JOB, {**CLIENT_REFUSED, **DISCOVERY_REFUSED})
    # What the job leaves open is as `global` says.
    inherited = {key: value for key, value in common.value.items() if key in _COMMON}
    full = Section({**inherited, **section.value}, section.where, section.folder)
    usual = common.seconds("scrape_interval", _INTERVAL_SECONDS)
    own = section.seconds("scrape_interval", usual)
    limit = section.seconds("scrape_timeout", 0.0)
    if limit > own:
        raise SettingsError(f"job {name!r}: scrape_timeout is longer than scrape_interval.")
    limit = limit or min(common.seconds("scrape_timeout", min(_TIMEOUT_SECONDS, usual)), own)
    legacy, escaping = _names(section, common)
    params = section.section("params")
    native = full.flag("scrape_native_histograms", default=False)
    return Job(
        name=name,
        interval_seconds=own,
        timeout_seconds=limit,
        path=section.text("metrics_path", "/metrics"),
        scheme=section.one_of("scheme", ("http", "https"), "http"),
        params=tuple((key, params.texts(key)) for key in params.value),
        protocols=_protocols(full, native=native),
        fallback_protocol=section.one_of("fallback_scrape_protocol", ("", *PROTOCOLS)),
        escaping=escaping,
        legacy_names=legacy,
        failure_log=section.file("scrape_failure_log_file") or common.file("scrape_failure_log_file"),
        bucket_limit=section.count("native_histogram_bucket_limit"),
        finest_schema=schema_of_factor(section.number("native_histogram_min_bucket_factor")),
        native_histograms=native,
        classic_histograms=full.flag("always_scrape_classic_histograms", default=False)
        or section.flag("scrape_classic_histograms", default=False),
        convert_classic=full.flag("convert_classic_histograms_to_nhcb", default=False),
        extra_metrics=full.flag("extra_scrape_metrics", default=False),
        honor_labels=section.flag("honor_labels", default=False),
        honor_timestamps=section.flag("honor_timestamps", default=True),
        track_timestamps=section.flag("track_timestamps_staleness", default=False),
        discovery=read_discovery(section),
        client=read_client(section),
        relabel=read_rules(section, "relabel_configs"),
        metric_relabel=read_rules(section, "metric_relabel_configs"),
        body_size_limit=section.size("body_size_limit") or common.size("body_size_limit"),
        compression=section.flag("enable_compression", default=True),
        **{name: section.count(name) or common.count(name) for name in _LIMITS},
    )


def _names(section: Section, common: Section) -> tuple[bool, str]:
    """Whether names are those of Prometheus 2, and how targets are asked to write others."""
    schemes = ("", "utf8", "legacy")
    usual = common.one_of("metric_name_validation_scheme", schemes) or "utf8"
    own = section.one_of("metric_name_validation_scheme", schemes)
    legacy = (own or usual) == "legacy"
    escaping = section.one_of("metric_name_escaping_scheme", ("", *_ESCAPINGS))
    if not escaping and not own:
        escaping = common.one_of("metric_name_escaping_scheme", ("", *_ESCAPINGS))
    escaping = escaping or ("underscores" if legacy else _ESCAPINGS[0])
    if legacy and escaping == _ESCAPINGS[0]:
        raise SettingsError(f"{section.where}: metric_name_escaping_scheme is {escaping}, and names are to be legacy.")
    return legacy, escaping


def _protocols(section: Section, *, native: bool) -> tuple[str, ...]:
    found = section.texts("scrape_protocols")
    for name in found:
        if name not in PROTOCOLS:
            raise SettingsError(f"{section.where}: scrape protocol {name!r} is none of {', '.join(PROTOCOLS)}.")
        if found.count(name) > 1:
            raise SettingsError(f"{section.where}: scrape_protocols has {name} twice.")
    # Native histograms are in no text format, so whoever wants them asks for protobuf first.
    return found or (("PrometheusProto",) if native else ()) + _TEXT_PROTOCOLS
