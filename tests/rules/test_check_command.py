"""``vedette check``: the verdict of promtool, and a message that says where."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from typer.testing import CliRunner

from vedette.cli.main import app

PROMTOOL = shutil.which("promtool")
_GOOD = (
    "groups: [{name: g, interval: 30s, rules: [{record: 'a:b', expr: 'sum(up)'}, {alert: A, expr: up == 0, for: 5m}]}]"
)
_BAD_RULES = {
    "groups: [{name: g, rules: [{record: a, expr: 'sum(up'}]}]": "unclosed left parenthesis",
    "groups: [{name: g, rules: [{record: a, alert: b, expr: up}]}]": "exactly one of record and alert",
    "groups: [{name: g, rules: [{record: a}]}]": "has no expr",
    "groups: [{name: g, rules: [{record: a, expr: up, for: 5m}]}]": "for belongs to alerts",
    "groups: [{name: g}, {name: g}]": "Two groups are named 'g'",
    "groups: [{rules: []}]": "groups[0] has no name",
    "groups: [{name: g, rules: [{record: a, exp: up}]}]": "field exp is unknown",
    "groups: [{name: g, interval: often}]": "'often', which is not a duration",
    "groups: [{name: g, rules: [{record: a, expr: up, labels: {__name__: b}}]}]": "'__name__' is no name for a label",
    "groups: [": "not valid YAML: line 1, column 10: expected the node content",
    "groups: {}": "groups must be a list",
    "groups: [{name: g, rules: [{record: a, expr: up, record: b}]}]": "line 1: 'record' is set twice",
}
_BAD_CONFIGS = {
    "[]": "must be a mapping, and is list",
    "scrape_configs: {}": "scrape_configs must be a list",
    "global: {scrape_interval: 9s}\nglobal: {}": "line 2: 'global' is set twice",
    "global: {scrape_interval: 5s, scrape_timeout: 9s}": "global: scrape_timeout is longer",
    "global: {external_labels: {'': a}}": "global, external_labels: '' is not a valid label name",
    "global: {metric_name_validation_scheme: legacy, external_labels: {a.b: c}}": "'a.b' is not a valid label name",
    "global: {convert_classic_histograms_to_nhcb: perhaps}\nscrape_configs: [{job_name: a}]": "neither true nor false",
    "rule_files: [/nowhere/rules.yml]": "there is no file /nowhere/rules.yml",
    "remote_write: [{}]": "remote_write[0]: url is missing",
    "remote_read: [{url: 'http://a', name: x}, {url: 'http://b', name: x}]": "remote_read[1]: the name 'x' is taken",
    "global: {scrape_interval: !!int often}": "a value is not of the type that its tag says",
    "global: {scrape_native_histograms: !!bool often}": "a value is not of the type that its tag says",
    "[" * 5000: "it is nested too deeply",
    "alerting: {alertmanager: []}": "alerting: field alertmanager is unknown",
    "alerting: {alertmanagers: [{api_version: v3}]}": "alerting, alertmanagers[0]: api_version is 'v3'",
    "alerting: {alertmanagers: [{colour: red}]}": "alerting, alertmanagers[0]: field colour is unknown",
    "alerting: {alertmanagers: [{sigv4: {region: a}}]}": "Vedette does not support sigv4",
    "alerting: {alertmanagers: [{consul_sd_configs: [{}]}]}": "Vedette does not support consul_sd_configs",
    "alerting: {alertmanagers: [{timeout: ''}]}": "timeout is ''",
    "alerting: {alertmanagers: [{timeout: 10}]}": "timeout is '10', which is not a duration",
    "alerting: {alertmanagers: [{basic_auth: {username: a}, bearer_token: b}]}": "at most one of basic_auth, bearer_token",
    "alerting: {alertmanagers: [{static_configs: [null]}]}": "alerting, alertmanagers[0]: static_configs[0] is empty",
    "alerting: {alertmanagers: [{static_configs: [{targets: ['http://a']}]}]}": "'http://a' is no host with a port",
    "alerting: {alertmanagers: [{static_configs: [{targets: [a]}], relabel_configs: [{target_label: __address__, replacement: b/c}]}]}": (
        "alerting, alertmanagers[0]: 'a' has the address 'b/c' after relabeling"
    ),
    "alerting: {alertmanagers: [{relabel_configs: [null]}]}": "relabel_configs[0] is empty",
    "alerting: {alertmanagers: [{relabel_configs: [{action: jump}]}]}": "action 'jump' is none of",
    "alerting: {alert_relabel_configs: [{regex: '('}]}": "alerting, alert_relabel_configs[0]: regex '('",
    "alerting: {alert_relabel_configs: [null]}": "alert_relabel_configs[0] is empty",
    "scrape_configs: [{job_name: a, scrape_interval: ''}]": "scrape_interval is ''",
    "scrape_configs: [{job_name: a, params: {module: ping}}]": "params: module must be a list",
    "scrape_configs: [{job_name: a, static_configs: [{targets: ['http://b:1']}]}]": "'http://b:1' is no host with a port",
    "scrape_configs: [{job_name: a, static_configs: [{targets: ['http://b']}], relabel_configs: [{target_label: c}]}]": (
        "'http://b' has the address 'http://b' after relabeling"
    ),
    "scrape_configs: [{job_name: a, static_configs: [{targets: ['']}]}]": "'' has the address '' after relabeling",
    "scrape_configs: [{job_name: a, file_sd_configs: [{files: ['*/b.json']}]}]": "file_sd_configs[0]: '*/b.json'",
    "scrape_configs: [{job_name: a, http_sd_configs: [{url: 'http://'}]}]": "which names no host",
    "scrape_configs: [{job_name: a, relabel_configs: [{action: labeldrop, regex: b, separator: c}]}]": "and no separator",
    "scrape_configs: [{job_name: a, relabel_configs: [{action: keepequal, source_labels: [b], target_label: c, regex: d}]}]": (
        "source_labels and target_label only, and no regex"
    ),
    "scrape_configs: [{job_name: a, relabel_configs: [{action: lowercase, target_label: b, replacement: c}]}]": (
        "action lowercase takes no replacement"
    ),
    "scrape_configs: [{static_configs: []}]": "has no job_name",
    "scrape_configs: [null]": "scrape_configs[0] is empty",
    "scrape_configs: [{job_name: a}, {job_name: a}]": "two jobs named 'a'",
    "scrape_configs: [{job_name: a, scrape_interval: soon}]": "job 'a': scrape_interval is 'soon'",
    "scrape_configs: [{job_name: a, scrape_interval: 5s, scrape_timeout: 9s}]": "scrape_timeout is longer",
    "scrape_configs: [{job_name: a, colour: red}]": "job 'a': field colour is unknown",
    "scrape_configs: [{job_name: a, relabel_configs: [{action: keep, regex: '('}]}]": "relabel_configs[0]: regex '('",
    "scrape_configs: [{job_name: a, relabel_configs: [{action: jump}]}]": "action 'jump' is none of",
}


_GOOD_CONFIGS = (
    "",
    "global: {scrape_interval: 0s}",
    "global: {external_labels: {a: '${NOWHERE}', b: 'c$$'}}",
    "scrape_configs: [{job_name: a, scrape_timeout: 0s, file_sd_configs: [{files: ['*.json'], refresh_interval: 0s}]}]",
    "remote_write: [{url: 'http://a'}, {url: 'http://a'}]",
    """scrape_configs: [{job_name: a, honor_labels: yes, static_configs: [{targets: ['b/c']}],
    relabel_configs: [{target_label: __address__, replacement: d}]}]""",
    "rule_files: [/nowhere/*.yml]",
    "alerting:",
    "alerting: {alertmanagers: null, alert_relabel_configs: [{action: keep}]}",
    "alerting: {alertmanagers: [{scheme: '', timeout: 0s, path_prefix: 'a b?c', static_configs: [{targets: ['']}]}]}",
    "alerting: {alertmanagers: [{scheme: ftp, file_sd_configs: [{files: [none.yml]}], proxy_url: 'http://a'}]}",
    """alerting: {alertmanagers: [{tls_config: {ca_file: /nowhere}, static_configs: [{targets: [a/b]}],
    relabel_configs: [{target_label: __address__, replacement: ''}]}]}""",
    "scrape_configs: [{job_name: a, relabel_configs: [{action: Lowercase, source_labels: [b], target_label: c}]}]",
)


def _check(kind: str, path: Any) -> Any:
    return CliRunner().invoke(app, ["check", kind, str(path)])


def _promtool(kind: str, path: Any) -> int | None:
    if PROMTOOL is None:
        return None
    return subprocess.run([PROMTOOL, "check", kind, str(path)], capture_output=True, check=False).returncode


def test_good_files_pass(tmp_path):
    (tmp_path / "rules.yml").write_text(_GOOD)
    config = tmp_path / "prometheus.yml"
    config.write_text("rule_files: [rules.yml]\nscrape_configs: [{job_name: a, static_configs: [{targets: ['a:1']}]}]")
    found = _check("rules", tmp_path / "rules.yml")
    assert (found.exit_code, found.stdout) == (0, f"{tmp_path / 'rules.yml'}: 2 rules\n")
    found = _check("config", config)
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [f"{config}: 1 jobs", f"{tmp_path / 'rules.yml'}: 2 rules"]


@pytest.mark.parametrize("text", _GOOD_CONFIGS)
def test_configurations_that_prometheus_takes_are_taken(tmp_path, text):
    path = tmp_path / "file.yml"
    path.write_text(text)
    found = _check("config", path)
    assert found.exit_code == 0, found.output
    assert _promtool("config", path) in {0, None}


def test_what_prometheus_takes_is_taken_with_a_hint(tmp_path):
    path = tmp_path / "rules.yml"
    twice = "{record: a, expr: up, labels: {team: x}}"
    path.write_text(f"groups: [{{name: g, rules: [{twice}, {twice}, {{record: a, expr: up}}]}}]")
    found = _check("rules", path)
    hint = "a is recorded 2 times with the same labels"
    assert (found.exit_code, found.stdout) == (0, f"{path}: 3 rules\n{path}: hint: {hint}\n")
    assert _promtool("rules", path) in {0, None}
    # 3.x, whose language this is, takes any UTF-8 text as a label's name; Debian's promtool is a 2.x.
    path.write_text("groups: [{name: g, rules: [{record: a, expr: up, labels: {service.name: x}}]}]")
    assert _check("rules", path).exit_code == 0


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        *(("rules", text, message) for text, message in _BAD_RULES.items()),
        *(("config", text, message) for text, message in _BAD_CONFIGS.items()),
    ],
)
def test_bad_files_are_told_what_is_wrong(tmp_path, kind, text, message):
    path = tmp_path / "file.yml"
    path.write_text(text)
    found = _check(kind, path)
    assert found.exit_code == 1
    assert message in found.stderr
    assert _promtool(kind, path) in {1, None}


@pytest.mark.parametrize("part", ["alerting: {alertmanagers: [%s]}", "scrape_configs: [{job_name: a, %s}]"])
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '[{"targets": ["b:1"]}, {"labels": {"c": "d"}}, {}]', ""),
        ("a.yml", "- targets: [b:1]\n  labels: {c: d}", ""),
        ("a.json", '[{"targets": ["b/c"]}]', "'b/c' has the address 'b/c' after relabeling"),
        ("a.json", '[{"targets": ["b:1"], "colour": 1}]', "a.json: field colour is unknown"),
        ("a.yml", "- targets: b", "a.yml: a target group has a list of targets"),
        ("a.json", '{"targets": ["b:1"]}', "a.json: target groups are a list"),
        ("a.json", "[null]", "a.json: a target group has a list of targets"),
        ("a.json", "[{", "a.json: Expecting property name"),
    ],
)
def test_files_of_targets_are_looked_at(tmp_path, part, name, text, message):
    (tmp_path / name).write_text(text)
    path = tmp_path / "file.yml"
    found = "file_sd_configs: [{files: [a*.json, a*.yml]}]"
    path.write_text(part % (f"{{{found}}}" if "alertmanagers" in part else found))
    checked = _check("config", path)
    assert (checked.exit_code, message in checked.stderr) == (1 if message else 0, True), checked.output
    assert _promtool("config", path) in {checked.exit_code, None}
