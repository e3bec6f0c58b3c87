"""Shapes of the answers about logs, for the OpenAPI document and whatever is generated from it."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from vedette.server.api.v1.answer_models import LogLine

__all__ = ["LogContext", "LogFacets", "LogFieldValues", "LogFields", "LogHistogram"]


class LogBucket(TypedDict):
    """Lines by severity from `time` on; a severity without lines is left out."""

    time: str
    counts: dict[str, int]


class LogHistogram(TypedDict):
    """Lines over time."""

    bucket_seconds: float
    total: int
    buckets: list[LogBucket]


class FacetValue(TypedDict):
    """A value and how many lines have it."""

    value: str
    lines: int


class LogFacet(TypedDict):
    """A field: how many lines have it, how many different values there are, and the most frequent of them."""

    field: str
    lines: int
    distinct: int
    values: list[FacetValue]


class LogFacets(TypedDict):
    """Fields with their values."""

    facets: list[LogFacet]


class LogContext(TypedDict):
    """A line, and those of the same source around it, the nearest first."""

    line: LogLine
    before: list[LogLine]
    after: list[LogLine]


class LogField(TypedDict):
    """A field that can be asked for."""

    name: str
    kind: Literal["column", "attribute", "resource"]


class LogFields(TypedDict):
    """Names that complete a prefix."""

    fields: list[LogField]


class LogFieldValues(TypedDict):
    """Values that complete a prefix."""

    field: str
    values: list[FacetValue]
