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
    "groups: [": "not valid YAML",
}
_BAD_CONFIGS = {
    "scrape_configs: [{static_configs: []}]": "has no job_name",
    "scrape_configs: [{job_name: a}, {job_name: a}]": "two jobs named 'a'",
    "scrape_configs: [{job_name: a, scrape_interval: soon}]": "job 'a': scrape_interval is 'soon'",
    "scrape_configs: [{job_name: a, scrape_interval: 5s, scrape_timeout: 9s}]": "scrape_timeout is longer",
    "scrape_configs: [{job_name: a, colour: red}]": "job 'a': field colour is unknown",
    "scrape_configs: [{job_name: a, relabel_configs: [{action: keep, regex: '('}]}]": "relabel_configs[0]: regex '('",
    "scrape_configs: [{job_name: a, relabel_configs: [{action: jump}]}]": "action 'jump' is none of",
}


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
