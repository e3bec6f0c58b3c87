"""Wire formats as data: a folder each.

``format.toml`` gives the code that stands in records of the write-ahead log, ``schema.proto`` what the engine needs to
decode Protobuf, ``tables.sql`` the Null table ``${Table}`` that receives the format and the views that flatten it (many
views stand in ``views.sql``), and ``fragments.sql`` pieces of SQL that the folder shares. Adding a format adds a folder
and touches nothing else.

A format with attributes may have a `short` form beside its whole one: the same messages and the same SQL, read with
``short.proto`` and ``short.sql``, which know scalars and arrays of scalars only and refuse the rest.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vedette.server.engine.fragments import parse_fragments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

__all__ = ["FORMATS", "LEDGER", "Format", "by_name", "fragments"]

_HERE = files(__package__)

_EXACTLY_ONCE = {
    # Every table and rollup of a view drops a repeat by itself, so a repeat also completes what a crash cut short.
    "deduplicate_insert": "enable",
    "deduplicate_insert_select": "enable_even_for_bad_queries",
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # One stream, and all that an insert brings to a table in one block: a repeat must make the same blocks again, and
    # every block is a part to be merged.
    "async_insert": 0,
    "max_insert_threads": 1,
    "max_threads": 1,
    "parallel_view_processing": 0,
    "max_block_size": 1 << 30,
    "max_insert_block_size": 1 << 40,
    "min_insert_block_size_rows": 1 << 40,
    "min_insert_block_size_bytes": 0,
    "group_by_two_level_threshold": 0,
    "group_by_two_level_threshold_bytes": 0,
    "materialized_views_ignore_errors": 0,
    "max_partitions_per_insert_block": 0,
    # Compiling the views' expressions to machine code costs more than it saves: most segments are small, and a large one
    # spends its time elsewhere. A tiny insert of metrics took 0.9 s of CPU with it and 0.3 s without.
    "compile_expressions": 0,
    "compile_aggregate_expressions": 0,
    "compile_sort_description": 0,
    # What the views' JSON relies on.
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_escape_forward_slashes": 0,
}


@dataclass(frozen=True, slots=True)
class Format:
    """How records of one kind go into the engine.

    `code` stands in the write-ahead log and is never reused. `settings` go with every INSERT; the loader adds
    ``insert_deduplication_token``. `schema_text` is the .proto source, empty for formats that need none, and
    `message_name` the message that one record is. The tables of a format are created before its first insert, since they
    were most of what a first start took, and few installations use all formats; or, if `made_at_start`, with the others.
    The views of a format may lead `through` the table of another one. `fragments` stand for those of the same name that
    formats share. `short` is the form to be tried first: it costs less and refuses what it cannot hold.
    """

    code: int
    name: str
    table: str
    input_format: str
    schema_text: str
    message_name: str
    tables_sql: str
    settings: Mapping[str, object]
    made_at_start: bool
    through: str
    fragments: Mapping[str, str]
    short: Format | None


def _read(folder: Traversable, name: str) -> str:
    path = folder / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _load(folder: Traversable) -> Format:
    facts = tomllib.loads(_read(folder, "format.toml"))
    short = None
    if facts.pop("short", False):
        short = _form(folder, facts, f"{folder.name}_short", "short.proto", _overriding("short.sql"))
    return replace(_form(folder, facts, folder.name, "nested.proto", {}), short=short)


def _overriding(name: str) -> Mapping[str, str]:
    """What a file of fragments has instead of those that formats share."""
    shared = _read(_HERE, "common.sql")
    common = parse_fragments([shared])
    return {key: text for key, text in parse_fragments([shared, _read(_HERE, name)]).items() if common.get(key) != text}


def _form(
    folder: Traversable, facts: Mapping[str, Any], name: str, values: str, overriding: Mapping[str, str]
) -> Format:
    proto = _read(folder, "schema.proto")
    settings: dict[str, object] = dict(_EXACTLY_ONCE)
    if proto:
        proto = "\n".join(('syntax = "proto3";', _read(_HERE, values), _read(_HERE, "common.proto"), proto))
        settings |= {
            "input_format_protobuf_oneof_presence": 1,
            "format_schema_source": "string",
            "format_schema": proto,
            "format_schema_message_name": facts["message"],
        }
    settings |= facts.get("settings", {})
    return Format(
        code=facts["code"],
        name=name,
        table=f"vedette.in_{name}",
        input_format="Protobuf" if proto else "JSONEachRow",
        schema_text=proto,
        message_name=facts.get("message", ""),
        tables_sql="\n".join((_read(folder, "tables.sql"), _read(folder, "views.sql"))),
        settings=MappingProxyType(settings),
        made_at_start=facts.get("made_at_start", False),
        through=facts.get("through", ""),
        fragments=MappingProxyType({**overriding, "Table": f"in_{name}"}),
        short=None,
    )


def _load_all() -> dict[int, Format]:
    found: dict[int, Format] = {}
    for folder in sorted(_HERE.iterdir(), key=lambda path: path.name):
        if (folder / "format.toml").is_file():
            loaded = _load(folder)
            if loaded.code in found:
                raise ValueError(f"Formats {found[loaded.code].name} and {loaded.name} both have code {loaded.code}")
            found[loaded.code] = loaded
    return found


FORMATS: Mapping[int, Format] = MappingProxyType(_load_all())
"""Every format by its code."""


def by_name(name: str) -> Format:
    """The format of that folder; KeyError if there is none."""
    for found in FORMATS.values():
        if found.name == name:
            return found
    raise KeyError(f"There is no wire format {name!r}")


LEDGER: Format = by_name("ledger")
"""The format of ledger lines."""


def fragments() -> dict[str, str]:
    """Every piece of SQL that formats and schema share, expanded."""
    folders = sorted((path for path in _HERE.iterdir() if path.is_dir()), key=lambda path: path.name)
    texts = [_read(_HERE, "common.sql"), *(_read(folder, "fragments.sql") for folder in folders)]
    return parse_fragments(texts)
