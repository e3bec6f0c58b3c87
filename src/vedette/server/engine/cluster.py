"""The same schema on a cluster: replicated tables on every node, and distributed ones over them.

A table ``vedette.spans`` becomes ``vedette.spans_local``, replicated within its shard, and ``vedette.spans``, which
reads all shards. What arrives at a node stays in its shard: Null tables and materialized views work on the local tables, so
that deduplication, which is a shard's own, sees every repeat that is sent to the same shard.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["created_function", "created_name", "render", "stored_tables"]

_CREATE = re.compile(
    r"\bCREATE (?P<kind>DATABASE|TABLE|MATERIALIZED VIEW|VIEW) (?P<exists>IF NOT EXISTS )?(?P<name>[\w.]+)"
)
_FUNCTION = re.compile(r"\bCREATE OR REPLACE FUNCTION (?P<name>\w+)")
_ALTER = re.compile(r"\bALTER TABLE (?P<name>[\w.]+)")
_MERGE_TREE = re.compile(r"\bENGINE = (?P<engine>\w*MergeTree)(?:\((?P<arguments>[^)]*)\))?")
_SORTING = re.compile(r", MODIFY ORDER BY \([^)]*\)")
_DROP = re.compile(r"\bDROP TABLE IF EXISTS (?P<name>[\w.]+)")
_SOURCE = re.compile(r"\b(?P<word>FROM|TO|JOIN) (?P<name>vedette\.\w+)")

_EVERYWHERE = frozenset({"vedette.edge_clock"})
"""What all shards have to read alike, though one of them was told."""


def created_name(statement: str) -> str | None:
    """The table, view or database that the statement creates."""
    match = _CREATE.search(statement)
    return match["name"] if match else None


def created_function(statement: str) -> str | None:
    """The function that the statement creates."""
    match = _FUNCTION.search(statement)
    return match["name"] if match else None


def stored_tables(statements: Collection[str]) -> frozenset[str]:
    """The tables among those created that keep rows."""
    return frozenset(
        name for text in statements if _MERGE_TREE.search(text) and (name := created_name(text)) is not None
    )


def render(statement: str, cluster: str | None, stored: Collection[str] = ()) -> list[str]:
    """The statements that do on `cluster` what `statement` does on one node; itself if there is no cluster.

    Args:
        statement: DDL of one node.
        cluster: Name in the cluster's ``remote_servers``; its nodes define the macros ``{shard}`` and ``{replica}``.
        stored: Names of the tables that keep rows, of which each node has a local one.
    """
    if not cluster:
        return [statement]
    on_cluster = f" ON CLUSTER '{cluster}'"
    if altered := _ALTER.search(statement):
        if re.search(r"\bMODIFY QUERY\b", statement):  # a view, which works on the local tables
            return [_ALTER.sub(rf"ALTER TABLE \g<name>{on_cluster}", _on_local(statement, stored), count=1)]
        local = f"{altered['name']}_local"
        both = [f"{statement[: altered.start()]}ALTER TABLE {local}{on_cluster}{statement[altered.end() :]}"]
        if re.search(r"\b(ADD|DROP|MODIFY|RENAME) COLUMN\b", statement):
            columns = _SORTING.sub("", statement)
            both.append(_ALTER.sub(rf"ALTER TABLE \g<name>{on_cluster}", columns))
        return both
    created = _CREATE.search(statement)
    if not created:
        return _without_rows(statement, on_cluster, stored)
    kind, exists, name = created["kind"], created["exists"] or "", created["name"]
    if kind == "MATERIALIZED VIEW":
        statement = _on_local(statement, stored)
    if not _MERGE_TREE.search(statement):
        return [_CREATE.sub(rf"CREATE {kind} {exists}{name}{on_cluster}", statement, count=1)]
    local = _CREATE.sub(rf"CREATE {kind} {exists}{name}_local{on_cluster}", statement, count=1)
    local = _MERGE_TREE.sub(lambda engine: _replicated(engine, name), local)
    local = local.replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    database, _, table = name.partition(".")
    distributed = (
        f"CREATE TABLE {exists}{name}{on_cluster} AS {name}_local "
        f"ENGINE = Distributed('{cluster}', '{database}', '{table}_local', rand())"
    )
    return [local, distributed]


def _without_rows(statement: str, on_cluster: str, stored: Collection[str]) -> list[str]:
    if created_function(statement):
        return [_FUNCTION.sub(rf"\g<0>{on_cluster}", statement, count=1)]
    dropped = _DROP.search(statement)
    if not dropped:
        return [statement]
    name = dropped["name"]
    return [f"DROP TABLE IF EXISTS {one}{on_cluster}" for one in (name, f"{name}_local")[: 1 + (name in stored)]]


def _on_local(statement: str, stored: Collection[str]) -> str:
    local = frozenset(stored) - _EVERYWHERE
    return _SOURCE.sub(lambda use: use[0] + ("_local" if use["name"] in local else ""), statement)


def _replicated(engine: re.Match[str], name: str) -> str:
    path = f"/clickhouse/tables/{{shard}}/{name.replace('.', '/')}"
    arguments = ", ".join(filter(None, [f"'{path}'", "'{replica}'", engine["arguments"]]))
    return f"ENGINE = Replicated{engine['engine']}({arguments})"
