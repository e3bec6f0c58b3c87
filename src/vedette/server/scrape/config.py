"""Prometheus' configuration file, as far as it is about scraping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from vedette.errors import SettingsError
from vedette.server.query.promql.labels import InvalidRegex, compile_regex
from vedette.server.scrape.durations import parse_duration_seconds, parse_size
from vedette.server.scrape.relabel import ACTIONS, Rule

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Auth", "Job", "ScrapeConfig", "load_config", "parse_config"]

_TOP = {"global", "scrape_configs", "rule_files", "remote_write", "remote_read", "alerting", "storage", "tracing"}
_JOB = {
    "job_name",
    "scrape_interval",
    "scrape_timeout",
    "metrics_path",
    "scheme",
    "params",
    "honor_labels",
    "honor_timestamps",
    "static_configs",
    "file_sd_configs",
    "http_sd_configs",
    "basic_auth",
    "authorization",
    "bearer_token",
    "bearer_token_file",
    "tls_config",
    "relabel_configs",
    "metric_relabel_configs",
    "sample_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "body_size_limit",
    "enable_compression",
    "follow_redirects",
}


@dataclass(frozen=True, slots=True)
class Auth:
    """How requests of a job are made: credentials and TLS."""

    username: str = ""
    password: str = ""
    password_file: str = ""
    scheme: str = "Bearer"
    credentials: str = ""
    credentials_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class Discovery:
    """Where a job's targets are named: groups in place, files, URLs. A group is (targets, labels)."""

    groups: tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...] = ()
    files: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    refresh_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """One of ``scrape_configs``. Limits of 0 are none."""

    name: str
    interval_seconds: float
    timeout_seconds: float
    path: str = "/metrics"
    scheme: str = "http"
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    honor_labels: bool = False
    honor_timestamps: bool = True
    discovery: Discovery = field(default_factory=Discovery)
    auth: Auth = field(default_factory=Auth)
    relabel: tuple[Rule, ...] = ()
    metric_relabel: tuple[Rule, ...] = ()
    sample_limit: int = 0
    label_limit: int = 0
    label_name_length_limit: int = 0
    label_value_length_limit: int = 0
    body_size_limit: int = 0
    compression: bool = True
    redirects: bool = True


@dataclass(frozen=True, slots=True)
class ScrapeConfig:
    """The jobs of a file, the rule files that it names, and its text."""

    jobs: tuple[Job, ...]
    rule_files: tuple[str, ...]
    interval_seconds: float
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


def parse_config(text: str, folder: Path) -> ScrapeConfig:
    """Understand a configuration; file names in it are relative to `folder`.

    Raises:
        SettingsError: something in it is wrong; the message says where.
    """
    try:
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"The configuration is not valid YAML: {error}") from error
    top = _Section(document, "the configuration", folder)
    top.only(_TOP)
    common = top.section("global")
    interval = common.seconds("scrape_interval", 60.0)
    timeout = common.seconds("scrape_timeout", min(10.0, interval))
    jobs = [_job(section, interval, timeout) for section in top.sections("scrape_configs")]
    names = [job.name for job in jobs]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"scrape_configs has two jobs named {name!r}; each needs a name of its own.")
    rule_files = tuple(str(folder / item) for item in top.texts("rule_files"))
    return ScrapeConfig(tuple(jobs), rule_files, common.seconds("evaluation_interval", 60.0), text)


class _Section:
    """A mapping of the document, with its place in it."""

    def __init__(self, value: object, where: str, folder: Path) -> None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise SettingsError(f"{where} must be a mapping, and is {type(value).__name__}.")
        self.value: dict[str, Any] = value
        self.where = where
        self.folder = folder

    def only(self, known: set[str]) -> None:
        for name in self.value:
            if name not in known:
                raise SettingsError(f"{self.where}: field {name} is unknown or not supported.")

    def section(self, name: str) -> _Section:
        return _Section(self.value.get(name), f"{self.where}, {name}", self.folder)

    def sections(self, name: str) -> list[_Section]:
        return [_Section(item, f"{self.where}, {name}[{i}]", self.folder) for i, item in enumerate(self.list_(name))]

    def list_(self, name: str) -> list[Any]:
        found = self.value.get(name) or []
        if not isinstance(found, list):
            raise SettingsError(f"{self.where}: {name} must be a list.")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(str(item) for item in self.list_(name))

    def text(self, name: str, default: str = "") -> str:
        found = self.value.get(name)
        return default if found is None else str(found)

    def file(self, name: str) -> str:
        found = self.text(name)
        return str(self.folder / found) if found else ""

    def flag(self, name: str, *, default: bool) -> bool:
        found = self.value.get(name, default)
        if not isinstance(found, bool):
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is neither true nor false.")
        return found

    def count(self, name: str) -> int:
        found = self.value.get(name, 0)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is no whole number of 0 or more.")
        return found

    def seconds(self, name: str, default: float) -> float:
        found = self.text(name)
        if not found:
            return default
        seconds = parse_duration_seconds(found)
        if not seconds:
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is not a duration such as 15s or 1m.")
        return seconds


def _job(section: _Section, interval: float, timeout: float) -> Job:
    name = section.text("job_name")
    if not name:
        raise SettingsError(f"{section.where} has no job_name.")
    section.where = f"job {name!r}"
    section.only(_JOB)
    own = section.seconds("scrape_interval", interval)
    limit = section.seconds("scrape_timeout", min(timeout, own))
    if limit > own:
        raise SettingsError(f"job {name!r}: scrape_timeout is longer than scrape_interval.")
    scheme = section.text("scheme", "http")
    if scheme not in {"http", "https"}:
        raise SettingsError(f"job {name!r}: scheme is {scheme!r}, and must be http or https.")
    size = parse_size(section.text("body_size_limit", "0"))
    if size is None:
        raise SettingsError(f"job {name!r}: body_size_limit is not a size such as 10MB.")
    params = section.section("params").value
    return Job(
        name=name,
        interval_seconds=own,
        timeout_seconds=limit,
        path=section.text("metrics_path", "/metrics"),
        scheme=scheme,
        params=tuple((key, tuple(map(str, values))) for key, values in params.items()),
        honor_labels=section.flag("honor_labels", default=False),
        honor_timestamps=section.flag("honor_timestamps", default=True),
        discovery=_discovery(section),
        auth=_auth(section),
        relabel=tuple(_rule(item) for item in section.sections("relabel_configs")),
        metric_relabel=tuple(_rule(item) for item in section.sections("metric_relabel_configs")),
        sample_limit=section.count("sample_limit"),
        label_limit=section.count("label_limit"),
        label_name_length_limit=section.count("label_name_length_limit"),
        label_value_length_limit=section.count("label_value_length_limit"),
        body_size_limit=size,
        compression=section.flag("enable_compression", default=True),
        redirects=section.flag("follow_redirects", default=True),
    )


def _discovery(section: _Section) -> Discovery:
    groups = []
    for item in section.sections("static_configs"):
        item.only({"targets", "labels"})
        labels = item.section("labels").value
        groups.append((item.texts("targets"), tuple((str(key), str(value)) for key, value in labels.items())))
    files = [name for item in section.sections("file_sd_configs") for name in item.texts("files")]
    urls = [item.text("url") for item in section.sections("http_sd_configs")]
    refresh = [item.seconds("refresh_interval", 60.0) for item in section.sections("http_sd_configs")]
    return Discovery(
        tuple(groups), tuple(str(section.folder / name) for name in files), tuple(urls), min(refresh, default=60.0)
    )


def _auth(section: _Section) -> Auth:
    basic, bearer, tls = section.section("basic_auth"), section.section("authorization"), section.section("tls_config")
    basic.only({"username", "password", "password_file"})
    bearer.only({"type", "credentials", "credentials_file"})
    tls.only({"ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify"})
    return Auth(
        username=basic.text("username"),
        password=basic.text("password"),
        password_file=basic.file("password_file"),
        scheme=bearer.text("type", "Bearer"),
        credentials=bearer.text("credentials") or section.text("bearer_token"),
        credentials_file=bearer.file("credentials_file") or section.file("bearer_token_file"),
        ca_file=tls.file("ca_file"),
        cert_file=tls.file("cert_file"),
        key_file=tls.file("key_file"),
        server_name=tls.text("server_name"),
        insecure_skip_verify=tls.flag("insecure_skip_verify", default=False),
    )


def _rule(section: _Section) -> Rule:
    section.only({"source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"})
    action = section.text("action", "replace").lower()
    if action not in ACTIONS:
        raise SettingsError(f"{section.where}: action {action!r} is none of {', '.join(ACTIONS)}.")
    regex = section.text("regex", "(.*)")
    try:
        compile_regex(regex)
    except InvalidRegex as error:
        raise SettingsError(f"{section.where}: regex {regex!r} is not valid: {error}.") from error
    to_label = {"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"}
    if action in to_label and not section.text("target_label"):
        raise SettingsError(f"{section.where}: action {action} needs a target_label.")
    if action == "hashmod" and not section.count("modulus"):
        raise SettingsError(f"{section.where}: action hashmod needs a modulus above 0.")
    return Rule(
        source_labels=section.texts("source_labels"),
        separator=section.text("separator", ";"),
        regex=regex,
        modulus=section.count("modulus"),
        target_label=section.text("target_label"),
        replacement=section.text("replacement", "$1"),
        action=action,
    )
