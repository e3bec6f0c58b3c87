"""`vedette key` as a person and as a script meet it."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from vedette.cli.key import app
from vedette.server.control.identity import Authenticator
from vedette.server.control.store import open_control

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Run = Callable[..., Result]

KEY = re.compile(r"vdt_[a-z2-7]{8}_[a-z2-7]{32}\n")


@pytest.fixture
def run(control_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VEDETTE_CONTROL_URL", control_url)
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return invoke


def listed(run: Run, *arguments: str) -> list[dict[str, Any]]:
    done = run("list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    keys: list[dict[str, Any]] = json.loads(done.stdout)
    return keys


def test_create_prints_the_key_alone_and_the_rest_beside_it(run: Run, control_url: str) -> None:
    done = run("create")
    assert done.exit_code == 0
    assert KEY.fullmatch(done.stdout)
    assert "scopes: ingest; tenants: default; expires: never" in done.stderr
    assert "it is not shown again" in done.stderr
    with open_control(control_url) as control:
        identity = Authenticator(control.key_table()).identify(scope="ingest", api_key=done.stdout.strip())
    assert (identity.tenant, identity.scopes) == ("default", frozenset({"ingest"}))


def test_create_takes_scopes_tenants_and_an_expiry(run: Run) -> None:
    options = (
        "--scope",
        "read,ingest",
        "--scope",
        "READ",
        "--tenant",
        "b",
        "--tenant",
        "a",
        "--expires",
        "90d",
        "--json",
    )
    made = json.loads(run("create", "ci", *options).stdout)
    assert KEY.fullmatch(made.pop("key") + "\n")
    assert (made["name"], made["scopes"], made["tenants"]) == ("ci", ["ingest", "read"], ["a", "b"])
    assert (made["state"], made["revoked"], made["last_used"]) == ("active", None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["expires"])
    assert listed(run) == [made]


def test_create_for_all_tenants(run: Run) -> None:
    made = json.loads(run("create", "--all-tenants", "--scope", "admin", "--json").stdout)
    assert (made["all_tenants"], made["tenants"], made["scopes"]) == (True, [], ["admin"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "--scope", "raed"), "There is no scope 'raed'; did you mean read?"),
        (("create", "--scope", "zzz"), "There is no scope 'zzz'; the scopes are ingest, read, admin."),
        (("create", "--scope", ""), "There is no scope ''; the scopes are ingest, read, admin."),
        (("create", "--expires", "soon"), "--expires 'soon' is not a duration; write for example 12h, 90d or 52w."),
        (("create", "--expires", "0d"), "A key must expire in the future."),
        (("create", "--expires", "9" * 30 + "d"), "is not a duration"),
        (("create", "--expires", "9" * 400 + "d"), "is not a duration"),
        (("create", "--tenant", "a b"), "The tenant name 'a b' has a character that a name cannot have"),
        (("create", "--tenant", "a", "--all-tenants"), "Give either --tenant or --all-tenants, not both."),
        (("create", "two\nlines"), "at most 200 printable characters"),
        (("revoke", "nobody"), "There is no API key 'nobody'; `vedette key list --all` shows the ids of all."),
        (("revoke", "\x1b[31m"), r"There is no API key '\x1b[31m'"),
        (("list", "--control-url", "mysql://host/db"), "names mysql, and control state lives in SQLite or PostgreSQL"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(run: Run, arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("vedette: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert listed(run) == []


def test_list_shows_a_table_without_revoked_keys(run: Run) -> None:
    assert "There are no keys" in run("list").stderr
    first = json.loads(run("create", "collector", "--tenant", "acme", "--json").stdout)
    gone = json.loads(run("create", "leaked", "--all-tenants", "--json").stdout)
    run("revoke", gone["id"])
    table = run("list").stdout
    assert re.search(rf"{first['prefix']}\s+collector\s+ingest\s+acme\s+active\s+never", table)
    assert gone["prefix"] not in table
    assert first["key"][13:] not in table
    assert re.search(
        rf"{gone['prefix']}\s+leaked\s+ingest\s+all\s+revoked \d{{4}}-\d\d-\d\d\s+never", run("list", "--all").stdout
    )
    assert [key["state"] for key in listed(run, "--all")] == ["active", "revoked"]


def test_list_tells_when_a_key_was_used_and_that_it_expired(run: Run, control_url: str) -> None:
    made = json.loads(run("create", "--expires", "1ms", "--json").stdout)
    with open_control(control_url) as control:
        control.record_use({made["id"]: 1_000_000_000.0})
    table = run("list").stdout
    assert re.search(r"expired \d{4}-\d\d-\d\d\s+\d+d ago", table)
    assert listed(run)[0]["last_used"] == "2001-09-09T01:46:40Z"


def test_revoke_takes_several_and_may_be_repeated(run: Run) -> None:
    one, two = (json.loads(run("create", "--json").stdout) for _ in range(2))
    for _ in range(2):
        done = run("revoke", one["prefix"], two["key"])
        assert done.exit_code == 0
        assert done.stdout == f"{one['prefix']} is revoked.\n{two['prefix']} is revoked.\n"
    assert listed(run) == []


def test_revoking_the_last_admin_key_says_what_follows(run: Run) -> None:
    one, two = (json.loads(run("create", "--scope", "admin", "--json").stdout) for _ in range(2))
    assert run("revoke", one["id"]).stderr == ""
    assert "last admin key" in run("revoke", two["id"]).stderr
    assert run("revoke", two["id"]).stderr == ""


def test_the_data_directory_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VEDETTE_CONTROL_URL", raising=False)
    by_flag = CliRunner().invoke(app, ["create", "--data-dir", str(tmp_path / "one"), "--json"])
    by_variable = CliRunner().invoke(app, ["create", "--json"], env={"VEDETTE_DATA_DIR": str(tmp_path / "two")})
    for directory, done in (("one", by_flag), ("two", by_variable)):
        file = tmp_path / directory / "control.db"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with open_control(f"sqlite:///{file}") as control:
            assert [key.id for key in control.list_keys()] == [json.loads(done.stdout)["id"]]


def test_other_commands_do_not_load_the_database_library() -> None:
    code = "import sys, vedette.cli.key; print('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
