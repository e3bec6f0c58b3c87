"""What can go wrong with a PromQL query, in Prometheus' words."""

from __future__ import annotations

from vedette.errors import InvalidInput, QueryLimit, RequestError

__all__ = ["EvaluationError", "ParseError", "QueryCancelled", "QueryTimeout", "TooManySamples"]


class ParseError(InvalidInput):
    """The text is no PromQL expression.

    `str()` is Prometheus' message, for example ``1:5: parse error: unexpected end of input``.
    `position` and `end` are offsets into the text in characters.
    """

    def __init__(self, message: str, *, position: int | None = None, end: int | None = None) -> None:
        super().__init__(message, position=position)
        self.end = end


class EvaluationError(RequestError):
    """The expression is well formed, but cannot be evaluated on this data."""

    status = 422
    title = "Query cannot be evaluated"


class TooManySamples(QueryLimit):
    """The query would hold more samples in memory than its limit allows."""


class QueryTimeout(QueryLimit):
    """The query ran longer than its limit allows."""

    status = 503
    title = "Query timed out"


class QueryCancelled(QueryLimit):
    """Nobody waits for the query's answer any more."""

    status = 499
    title = "Query cancelled"
