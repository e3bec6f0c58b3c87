"""The schema as it is rendered for a cluster: the engine's parser takes every statement. None is run on a cluster."""

from __future__ import annotations

import re

import pytest

from vedette.errors import EngineError
from vedette.server.engine.cluster import created_name, render, stored_tables
from vedette.server.engine.formats import FORMATS
from vedette.server.engine.migrate import load_migrations, prepare_format

STATEMENTS = [text for migration in load_migrations() for text in migration.statements]
STORED = stored_tables(STATEMENTS)


def _rendered(statement: str) -> list[str]:
    return render(statement, "house", STORED)


async def test_the_engine_parses_every_statement(tenant):
    for statement in STATEMENTS:
        for text in _rendered(statement):
            await tenant.database.engine.query(f"EXPLAIN AST {text}", fmt="TSV")
    with pytest.raises(EngineError, match=r"(?i)syntax"):
        await tenant.database.engine.query("EXPLAIN AST CREATE TABLE t ON CLUSTER (a UInt8) ENGINE = Null", fmt="TSV")


def test_every_stored_table_is_replicated_and_distributed():
    assert {"vedette.spans", "vedette.logs", "vedette.samples", "vedette.red_minute"} <= STORED
    for statement in STATEMENTS:
        name = created_name(statement)
        if name not in STORED:
            continue
        local, distributed = _rendered(statement)
        assert created_name(local) == f"{name}_local"
        assert re.search(r"ENGINE = Replicated\w*MergeTree\('/[^']*\{shard\}[^']*', '\{replica\}'", local), local
        assert f"CREATE TABLE IF NOT EXISTS {name} ON CLUSTER 'house'" in distributed.replace(
            "CREATE TABLE vedette", "CREATE TABLE IF NOT EXISTS vedette"
        )
        assert "Distributed('house'" in distributed
        short = name.removeprefix("vedette.")
        assert f"{short}_local" in distributed


def test_functions_are_made_on_every_node():
    statement = next(text for text in STATEMENTS if "FUNCTION vedette_event_items" in text)
    assert "CREATE OR REPLACE FUNCTION vedette_event_items ON CLUSTER 'house' AS (times" in "".join(
        _rendered(statement)
    )


def test_views_fill_the_tables_of_their_own_node():
    for statement in STATEMENTS:
        if "CREATE MATERIALIZED VIEW" not in statement:
            continue
        (text,) = _rendered(statement)
        assert "ON CLUSTER 'house'" in text
        target = re.search(r"\bTO (vedette\.\w+)", text)
        assert target is not None
        assert target[1] not in STORED, text


class Listener:
    """Hears what an engine would be told to do."""

    def __init__(self):
        self.heard = []

    async def execute(self, sql, **_):
        self.heard.append(sql)

    async def rows(self, _sql, **_):
        return []


async def test_views_that_are_made_before_the_first_data_fill_the_tables_of_their_own_node():
    forms = [form for item in FORMATS.values() for form in (item, item.short) if form is not None]
    for form in forms:
        listener = Listener()
        await prepare_format(listener, form, cluster="house")
        views = [text for text in listener.heard if "CREATE MATERIALIZED VIEW" in text]
        targets = [re.search(r"\bTO (vedette\.\w+)", text)[1] for text in views]
        assert targets
        assert not STORED & set(targets), form.name


async def test_what_a_wire_format_reads_and_fills_is_there_before_its_first_data():
    whole = {created_name(text) for one in load_migrations() if not one.on_demand for text in one.statements}
    for form in (form for item in FORMATS.values() for form in (item, item.short) if form is not None):
        listener = Listener()
        await prepare_format(listener, form)
        there = whole | {created_name(text) for text in listener.heard}
        named = {name for text in listener.heard for name in re.findall(r"\b(?:FROM|TO) (vedette\.\w+)", text)}
        assert named - there == set(), form.name


def test_views_that_are_changed_read_their_own_node():
    changed = [text for text in STATEMENTS if "MODIFY QUERY" in text]
    assert changed
    for statement in changed:
        (text,) = _rendered(statement)
        name, source = re.search(r"ALTER TABLE (vedette\.\w+)", statement), re.search(r"FROM (vedette\.\w+)", text)
        assert name is not None
        assert source is not None
        assert f"ALTER TABLE {name[1]} ON CLUSTER 'house' MODIFY QUERY" in text
        assert source[1].endswith("_local")


def test_every_number_is_given_once_and_none_is_left_out():
    numbers = [migration.number for migration in load_migrations() if migration.number]
    assert numbers == list(range(1, len(numbers) + 1))
