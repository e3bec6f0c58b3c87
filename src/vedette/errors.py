"""Every error that Vedette raises on purpose.

::

    VedetteError                     something a person can act on; `str()` is the sentence to show
    ├── SettingsError                a setting is unknown, malformed or contradicts another
    ├── StartError                   the process cannot start: port in use, directory unreadable, newer database
    ├── RequestError                 the caller is at fault; carries an HTTP status (4xx)
    │   ├── InvalidInput             400: malformed payload, parameter or query; names the place
    │   ├── Unauthenticated          401: no key, or an unknown, expired or revoked one
    │   ├── Forbidden                403: the key may not do this, or not for this tenant
    │   ├── NotFound                 404: no such trace, key, view …
    │   ├── UnsupportedMedia         415: content type or encoding that the endpoint does not take
    │   ├── TooLarge                 413: more bytes than the limit, counted after decompression
    │   ├── QueryLimit               422: a query ran past its time, memory or row limit
    │   └── TooManyRequests          429: the tenant is over its quota; `retry_after_seconds` says when to come back
    ├── Unavailable                  503: overload or fault on our side; nothing was kept; retry
    │   ├── WalFull                  the write-ahead log is at its bound
    │   ├── WalFailed                the disk refused a write or an fsync
    │   └── EngineUnavailable        the engine does not answer
    └── EngineError                  the engine answered with an exception; `code` is ClickHouse's number
"""

from __future__ import annotations

__all__ = [
    "EngineError",
    "EngineUnavailable",
    "Forbidden",
    "InvalidInput",
    "NotFound",
    "QueryLimit",
    "RequestError",
    "SettingsError",
    "StartError",
    "TooLarge",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMedia",
    "VedetteError",
    "WalFailed",
    "WalFull",
]


class VedetteError(Exception):
    """Something a person can act on. `str()` says what is wrong, where, and what to do."""


class SettingsError(VedetteError):
    """A setting is unknown, malformed or contradicts another."""


class StartError(VedetteError):
    """The process cannot start: a port in use, an unreadable directory, a database from a newer version."""


class RequestError(VedetteError):
    """The caller is at fault.

    `status` is the HTTP status, `title` the short name of the problem (RFC 9457).
    """

    status: int = 400
    title: str = "Bad request"


class InvalidInput(RequestError):
    """A malformed payload, parameter or query.

    `position` is the offset of the offending character where one is known (0-based), so that a page can point at it.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class Unauthenticated(RequestError):
    """No API key, or an unknown, expired or revoked one."""

    status = 401
    title = "Not authenticated"


class Forbidden(RequestError):
    """The key may not do this, or not for this tenant."""

    status = 403
    title = "Not allowed"


class NotFound(RequestError):
    """Nothing has this name or id."""

    status = 404
    title = "Not found"


class UnsupportedMedia(RequestError):
    """A content type or content encoding that the endpoint does not take."""

    status = 415
    title = "Unsupported media type"


class TooLarge(RequestError):
    """The body exceeds the limit, counted after decompression."""

    status = 413
    title = "Payload too large"


class QueryLimit(RequestError):
    """A query ran past its limit of time, memory or rows."""

    status = 422
    title = "Query limit reached"


class TooManyRequests(RequestError):
    """The tenant is over its quota."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(VedetteError):
    """Overload or a fault on our side. Nothing was kept; the caller should retry."""

    status = 503
    title = "Unavailable"

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class WalFull(Unavailable):
    """The write-ahead log is at its bound."""


class WalFailed(Unavailable):
    """The disk refused a write or an fsync."""


class EngineUnavailable(Unavailable):
    """The engine does not answer: it is starting, restarting or unreachable."""


class EngineError(VedetteError):
    """The engine answered with an exception.

    `code` is ClickHouse's error number and `name` its symbol, for example 241 and ``MEMORY_LIMIT_EXCEEDED``.
    """

    def __init__(self, message: str, *, code: int, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.name = name
