"""``vedette test rules`` says what promtool says; where promtool is not installed, what it said."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from typer.testing import CliRunner

from vedette.cli.main import app
from vedette.errors import SettingsError
from vedette.server.query.promql.histogram import Histogram
from vedette.server.rules.expansion import Record
from vedette.server.rules.notation import parse_values
from vedette.server.rules.template_functions import check_template, expand_alert
from vedette.server.rules.templates import TemplateError

PROMTOOL = shutil.which("promtool")
RULES: dict[str, Any] = {
    "groups": [
        {
            "name": "records",
            "rules": [
                {"record": "job:up:sum", "expr": "sum by (job) (up)"},
                {"record": "job:up:twice", "expr": "job:up:sum * 2", "labels": {"team": "t"}},
            ],
        },
        {
            "name": "alerts",
            "rules": [
                {
                    "alert": "Down",
                    "expr": "up == 0",
                    "for": "2m",
                    "labels": {"severity": "page", "host": "{{ $labels.instance | toUpper }}"},
                    "annotations": {"summary": "{{ $labels.instance }} is {{ $value }}{{ $labels.no }}"},
                },
                {"alert": "Always", "expr": "vector(7)"},
                {"alert": "Kept", "expr": "kept > 0", "keep_firing_for": "3m"},
            ],
        },
    ]
}
UP = {"series": 'up{job="a",instance="x:1"}', "values": "1 0x8"}
DOWN = {
    "exp_labels": {"severity": "page", "host": "X:1", "instance": "x:1", "job": "a"},
    "exp_annotations": {"summary": "x:1 is 0"},
}


def sample(labels: str, value: float) -> dict[str, Any]:
    return {"labels": labels, "value": value}


def expression(expr: str, at: str, *samples: dict[str, Any]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [UP],
        "promql_expr_test": [{"expr": expr, "eval_time": at, "exp_samples": list(samples)}],
    }


def alert(name: str, at: str, *alerts: dict[str, Any], series: dict[str, str] = UP) -> dict[str, Any]:
    test = {"alertname": name, "eval_time": at}
    return {
        "interval": "1m",
        "input_series": [series],
        "alert_rule_test": [test | ({"exp_alerts": list(alerts)} if alerts else {})],
    }


SUM = 'job:up:sum{job="a"}'
KEPT = {"series": "kept", "values": "1 1 _x1 stale"}
GOOD = {
    "recorded": expression("job:up:sum", "0m", sample(SUM, 1)),
    "recorded later": expression("job:up:sum", "3m", sample(SUM, 0)),
    "a rule sees the rule before it": expression("job:up:twice", "0m", sample('job:up:twice{job="a",team="t"}', 2)),
    "nothing": expression("absent_metric", "3m"),
    "a number": expression("1 + 1", "3m", sample("{}", 2)),
    "order of samples": expression(
        'label_replace(up,"b","2","","") or up * 3 or vector(1)',
        "0m",
        sample("{}", 1),
        sample('up{job="a",instance="x:1",b="2"}', 1),
        sample('{job="a",instance="x:1"}', 3),
    ),
    "pending is no alert": alert("Down", "2m"),
    "firing": alert("Down", "3m", DOWN),
    "firing between two evaluations": alert("Down", "3m30s", DOWN),
    "at once": alert("Always", "0m", {"exp_labels": {}}),
    "an alert that does not exist": alert("Nobody", "1m"),
    "ALERTS": expression(
        "ALERTS",
        "1m",
        sample('ALERTS{alertname="Always",alertstate="firing"}', 1),
        sample(
            'ALERTS{alertname="Down",alertstate="pending",severity="page",host="X:1",instance="x:1",job="a"}',
            1,
        ),
    ),
    "since when": expression(
        'ALERTS_FOR_STATE{alertname="Down"}',
        "4m",
        sample('ALERTS_FOR_STATE{alertname="Down",severity="page",host="X:1",instance="x:1",job="a"}', 60),
    ),
    "steps, gaps and ends": {
        "interval": "30s",
        "input_series": [{"series": "s", "values": "1+2x2 _ 10-1.5x1 stale 1e2 -1"}],
        "promql_expr_test": [
            {"expr": "count_over_time(s[11m])", "eval_time": "10m", "exp_samples": [sample("{}", 7)]},
            {"expr": "sum_over_time(s[11m])", "eval_time": "10m", "exp_samples": [sample("{}", 126.5)]},
            {"expr": "s", "eval_time": "3m", "exp_samples": []},
            {"expr": "s", "eval_time": "4m", "exp_samples": [sample("s", -1)]},
        ],
    },
    "no tests at all": {"interval": "1m"},
}
BAD = {
    "another value": (expression("job:up:sum", "0m", sample(SUM, 2)), 'expected job:up:sum{job="a"} 2, got'),
    "another label": (expression("up", "0m", sample("up", 1)), "expected up 1, got up{instance="),
    "too many": (expression("up", "0m"), "expected nothing, got"),
    "too few": (expression("absent_metric", "0m", sample("m", 1)), "got nothing"),
    "no expression": (expression("up +", "0m"), "unexpected end of input"),
    "the alert is pending": (alert("Down", "2m", DOWN), "got no alert"),
    "the alert fires": (alert("Down", "3m"), "expected no alert, got"),
    "other labels": (alert("Down", "3m", {"exp_labels": {"severity": "info"}}), 'severity="info"'),
    "other annotations": (alert("Down", "3m", DOWN | {"exp_annotations": {}}), "summary="),
    "values": (alert("Down", "3m", series={"series": "up", "values": "1 two"}), "'two' is no value"),
    "series": (alert("Down", "3m", series={"series": "up{", "values": "1"}), "'up{' is no series"),
    "no alertname": (alert("", "3m"), "no alertname"),
    "unknown field": ({"colour": "red"}, "field colour is unknown"),
    "a time": (expression("up", "soon"), "'soon', which is not a duration"),
}


def _run(tmp_path: Any, test: dict[str, Any], rules: Any = None) -> Any:
    (tmp_path / "rules.yml").write_text(json.dumps(rules or RULES))
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}))
    return CliRunner().invoke(app, ["test", "rules", str(path)]), path


def _promtool(path: Any) -> int | None:
    if PROMTOOL is None:
        return None
    return subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", GOOD)
def test_what_holds_passes(tmp_path, name):
    rules = json.loads(json.dumps(RULES))
    rules["groups"][1]["rules"].pop()  # keep_firing_for is younger than Debian's promtool
    found, path = _run(tmp_path, GOOD[name], rules)
    assert (found.exit_code, found.output) == (0, f"{path}: SUCCESS\n")
    assert _promtool(path) in {0, None}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_hold_fails_and_says_why(tmp_path, name):
    rules = json.loads(json.dumps(RULES))
    rules["groups"][1]["rules"].pop()
    test, message = BAD[name]
    found, path = _run(tmp_path, test, rules)
    assert found.exit_code == 1
    assert message in found.output
    assert _promtool(path) in {1, None}


def test_labels_are_the_texts_that_are_written(tmp_path):
    label = '{version="1.10",page="yes",since="2024-01-01",id="007"}'
    written = "version: 1.10, page: yes, since: 2024-01-01, id: 007"
    (tmp_path / "rules.yml").write_text(
        f"groups: [{{name: 1, limit: 5, rules: [{{record: r, expr: 0x10, labels: {{{written}}}}}, "
        f"{{alert: A, expr: r > 1, for: 0s, labels: {{{written}}}, annotations: {{build: 1_0}}}}]}}]"
    )
    path = tmp_path / "test.yml"
    path.write_text(
        "rule_files: [rules.yml]\ntests: [{promql_expr_test: "
        f"[{{expr: r, eval_time: 0, exp_samples: [{{labels: 'r{label}', value: 0x10}}]}}], alert_rule_test: "
        "[{eval_time: 0, alertname: A, exp_alerts: "
        f"[{{exp_labels: {{{written}}}, exp_annotations: {{build: '1_0'}}}}]}}]}}]"
    )
    found = CliRunner().invoke(app, ["test", "rules", str(path)])
    assert (found.exit_code, found.output) == (0, f"{path}: SUCCESS\n")
    assert _promtool(path) in {0, None}


def test_an_alert_is_kept_firing(tmp_path):
    kept = {"exp_labels": {}}
    for at, alerts in (("1m", [kept]), ("3m", [kept]), ("5m", [kept]), ("6m", [])):
        found, _ = _run(tmp_path, alert("Kept", at, *alerts, series=KEPT))
        assert found.exit_code == 0, (at, found.output)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("tests: {}\nrule_files: [", "not valid YAML: line 2, column 14: expected the node content"),
        ("rule_file: [rules.yml]", "field rule_file is unknown"),
        ("rule_files: [rules.yml]\ngroup_eval_order: [alerts, alerts]", "names a group twice"),
        ("evaluation_interval: often", "evaluation_interval is 'often'"),
    ],
)
def test_wrong_files_are_told(tmp_path, document, message):
    (tmp_path / "rules.yml").write_text(json.dumps(RULES))
    path = tmp_path / "test.yml"
    path.write_text(document)
    found = CliRunner().invoke(app, ["test", "rules", str(path)])
    assert found.exit_code == 1
    assert message in found.output
    assert _promtool(path) in {1, None}


# Without sort(), Prometheus gives the series of a selector in any order.
TEMPLATES = [
    "plain",
    "{{ $labels.instance }} and {{ .Labels.job }} and {{ $value }} and {{ .Value | humanize }}",
    "{{- /* a comment */ -}} a {{- 1 -}} b",
    '{{ printf "%d %5.2f|%-6s|%q|%v|%g|%%|%x" 42 3.14159 "ab" "c\\"d" $value 1e21 255 }}',
    '{{ if eq $labels.job "a" }}yes{{ else if true }}maybe{{ else }}no{{ end }}',
    '{{ if and (gt $value 100.0) (not (eq $labels.job "b")) }}big{{ end }}{{ if or false "" 0 }}x{{ else }}y{{ end }}',
    '{{ range query "sort(up)" }}{{ .Labels.instance }}={{ .Value }};{{ else }}none{{ end }}',
    '{{ range $i, $s := query "sort(up)" }}{{ $i }}:{{ $s.Labels.job }} {{ end }}',
    "{{ with query \"up{job='a'}\" }}{{ . | first | value | humanize }}{{ end }}",
    '{{ with query "nothing" }}some{{ else }}none{{ end }}',
    '{{ query "up" | sortByLabel "instance" | first | label "instance" }}',
    "{{ humanize 0.0 }} {{ humanize 1234567.0 }} {{ humanize 0.00012 }} {{ humanize -1234.0 }} {{ humanize 12.0 }}",
    "{{ humanize1024 1048576.0 }} {{ humanize1024 1.0 }} {{ humanize1024 2000.0 }} {{ humanize1024 0.5 }}",
    "{{ humanizeDuration 0.0 }} {{ humanizeDuration 899.0 }} {{ humanizeDuration 90061.0 }} {{ humanizeDuration 0.035 }}",
    "{{ humanizeDuration -7261.0 }} {{ humanizeDuration 1.25 }} {{ humanizePercentage 0.12345 }}",
    "{{ humanizeTimestamp 1435065584.128 }} {{ humanizeTimestamp 0.0 }}",
    '{{ title "a word" }} {{ toUpper "x" }} {{ toLower "ABC" }} {{ match "^a.c$" "abc" }} {{ match "z" "abc" }}',
    '{{ reReplaceAll "(.*):\\\\d+" "host $1" $labels.instance }} {{ reReplaceAll "x" "" "xyx" }}',
    '{{ stripPort "10.0.0.1:80" }} {{ stripPort "host" }} {{ stripPort "[::1]:80" }}',
    '{{ graphLink "up == 0" }} {{ tableLink "rate(x[5m])" }}',
    '{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" "in" }}{{ template "t" $labels.job }}',
    '{{ $x := 1 }}{{ range $i := query "up" }}{{ $x = 2 }}{{ end }}{{ $x }}',
    '{{ len "abc" }} {{ index (query "sort(up)") 0 | value }} {{ print "a" 1 2 "b" }} {{ println "z" }}',
    '{{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ ge 1.5 2.5 }} {{ eq "a" "b" "a" }} {{ not "" }}',
    "{{ 1e6 }} {{ 1000000.0 }} {{ 1e21 }} {{ 0.00001 }} {{ 123456789.5 }} {{ 0x10 }} {{ true }} {{ 'a' }}",
    '{{ $labels }} {{ (index (query "sort(up)") 0).Labels.job }} {{ `raw` }}',
    '{{ html "<a&b>" }} {{ urlquery "a b/c" }} {{ parseDuration "1h30m" }}',
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}",
    '{{ stripDomain "[::1]:80" }} {{ stripDomain "a.b.c:80" }} {{ stripDomain "10.0.0.1:80" }} {{ stripDomain "[fe80::1%e]:1" }}',
    '{{ reReplaceAll "a" "$1x" "abc" }} {{ reReplaceAll "(a)" "${1}$$$7" "abc" }} {{ match "a.c" "a\\nc" }}',
    "{{ humanizeTimestamp 1435065584.1289 }} {{ toTime 1435065584.1289 }} {{ -1.5 | toTime }}",
    '{{ printf "%08.2f|% .1f|%+d|%*d|%#x|%G|%.3v|%-5d|" -1.5 2.5 3 4 5 6 1e9 1234.5 7 }}',
    '{{ printf "%d %s %f %x %q %t|" "a" 1.5 2 "ab" $labels 1 }} {{ printf "%d" 1 2 }} {{ printf "%" }} {{ printf "%v" nil }}',
    '{{ len "üx" }} {{ 0b101 }} {{ 0o17 }} {{ 017 }} {{ query "sort(up)" | first }} {{ js "a\'<&=\\n" }} {{ html "\'\\"" }}',
    '{{ range query "sort(up)" }}{{ if eq .Labels.job "a" }}{{ continue }}{{ end }}{{ .Labels.job }}{{ break }}{{ end }}',
]
LABELS = {"instance": "x:1", "job": "a", "__name__": "up"}
SAMPLES = {"x:1": ("a", 123.0), "y:2": ("b", 4567.0)}


def _answers(text: str) -> list[dict[str, Any]]:
    if "nothing" in text:
        return []
    found = [
        Record(Labels={"__name__": "up", "instance": instance, "job": job}, Value=value)
        for instance, (job, value) in SAMPLES.items()
    ]
    return found[:1] if "job=" in text else found


def test_templates_give_what_prometheus_gives(tmp_path):
    texts = {f"a{i}": text for i, text in enumerate(TEMPLATES)}
    given = {name: expand_alert(text, LABELS, 123.0, _answers, ({}, "http://h/p")) for name, text in texts.items()}
    assert given["a1"] == "x:1 and a and 123 and 123"
    assert given["a6"] == "x:1=123;y:2=4567;"
    rules = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": 'up{job="a"}', "annotations": texts}]}]}
    series = [
        {"series": f'up{{instance="{instance}",job="{job}"}}', "values": str(value)}
        for instance, (job, value) in SAMPLES.items()
    ]
    expected = {"exp_labels": {"instance": "x:1", "job": "a"}, "exp_annotations": given}
    test = {
        "input_series": series,
        "alert_rule_test": [{"alertname": "A", "eval_time": "0m", "exp_alerts": [expected]}],
    }
    found, path = _run(tmp_path, test, rules)
    assert found.exit_code == 0, found.output
    if PROMTOOL is not None:
        other = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False)
        assert other.returncode == 0, other.stdout + other.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ nofunc 1 }}", 'function "nofunc" not defined'),
        ("{{ $nope }}", 'undefined variable "$nope"'),
        ("{{ if true }}x", "an {{end}} is missing"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ .Labels.a", "unclosed action"),
        ("{{ (1 }}", "unclosed left paren"),
        ("{{ | }}", "missing value"),
        ("a {{ }}", "missing value"),
        ("{{ break }}", "outside"),
    ],
)
def test_wrong_templates_are_refused(tmp_path, text, message):
    with pytest.raises(TemplateError, match=message.replace("{", r"\{").replace("$", r"\$").replace("(", r"\(")):
        check_template(text)
    path = tmp_path / "rules.yml"
    path.write_text(
        json.dumps({"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up", "labels": {"l": text}}]}]})
    )
    found = CliRunner().invoke(app, ["check", "rules", str(path)])
    assert found.exit_code == 1
    assert "the template of l is wrong" in found.output
    if PROMTOOL is not None:
        assert subprocess.run([PROMTOOL, "check", "rules", str(path)], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{{ query "up{" }}', "calling query"),
        ('{{ query "up[5m]" }}', "rule result is not a vector or scalar"),
        ("{{ query 5 }}", "expected string; found 5"),
        ("{{ .Lables.job }}", "can't evaluate field Lables"),
        ('{{ (query "up" | first).Colour }}', "can't evaluate field Colour"),
        ('{{ slice "abc" 2 1 }}', "index"),
        ("{{ toTime 1e10 }}", "overflows int64"),
        ('{{ "a" | parseDuration }}', "calling parseDuration"),
    ],
)
def test_an_alert_whose_text_cannot_be_made_is_told_all_the_same(tmp_path, text, message):
    rules = {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "up == 0", "annotations": {"a": text}}]}]}
    test = {
        "input_series": [{"series": "up", "values": "0"}],
        "alert_rule_test": [{"alertname": "A", "eval_time": "0m", "exp_alerts": []}],
    }
    found, path = _run(tmp_path, test, rules)
    told = " ".join(found.output.split())
    assert "got {alertname=" in told
    assert "<error expanding template: " in told
    assert message in told
    if PROMTOOL is not None:
        command = [PROMTOOL, "test", "rules", str(path)]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert message in (other.stdout + other.stderr)


def test_an_endless_template_ends_at_its_bound():
    text = '{{ define "t" }}{{ template "t" . }}{{ end }}{{ template "t" 1 }}'
    with pytest.raises(TemplateError, match="too deeply"):
        expand_alert(text, {}, 1.0, _answers, ({}, ""))
    with pytest.raises(TemplateError, match="longer than"):
        expand_alert("{{ range $i := 9000000 }}xxxxxxxx{{ end }}", {}, 1.0, _answers, ({}, ""))


def test_histograms_are_written_as_series_too():
    values = parse_values(
        "{{schema:1 sum:2 count:3 z_bucket:1 offset:2 buckets:[1 0 1]}}+{{schema:1 sum:1 count:1}}x2 _"
    )
    assert [value.sum for value in values if isinstance(value, Histogram)] == [2, 3, 4]
    assert isinstance(values[0], Histogram)
    assert values[0].positive == {2: 1.0, 4: 1.0}
    assert values[3] is None
    with pytest.raises(SettingsError, match="colour:1 is not known"):
        parse_values("{{colour:1}}")
    with pytest.raises(SettingsError, match="schema:9 is none of -4 to 8"):
        parse_values("{{schema:9 count:1}}")
    with pytest.raises(SettingsError, match="more than"):
        parse_values("1x99999999999")


def test_a_rule_file_that_is_not_there_is_said(tmp_path):
    path = tmp_path / "test.yml"
    path.write_text("rule_files: [missing.yml]")
    found = CliRunner().invoke(app, ["test", "rules", str(path)])
    assert found.exit_code == 0
    assert "WARNING: no rule file is named" in found.output
    assert _promtool(path) in {0, None}
