"""Find the API key in what a client sends: `Authorization` (Bearer, Basic, ApiKey) and `X-API-Key`.

References: RFC 9110 §11.6.2 (Authorization), RFC 6750 (Bearer), RFC 7617 (Basic), Elasticsearch's ``ApiKey`` scheme.
Whatever the bytes are, the outcome is a candidate key or one of the constant refusals below: nothing that was presented
is ever repeated in a message.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from vedette.errors import Unauthenticated

MAX_HEADER_BYTES: Final = 512
"""A key has 45 characters; a `Basic` value with a long user name stays far below this."""

MISSING: Final = (
    "An API key is needed. Send it as 'Authorization: Bearer <key>', as 'X-API-Key', or as the password of Basic."
)
UNREADABLE: Final = (
    "The Authorization header holds no API key. Send 'Bearer <key>', or Basic with the key as the password."
)
CONFLICTING: Final = "The request presents two different API keys. Send one."


def presented_key(authorization: bytes | None, api_key: bytes | None) -> bytes:
    """Return the one key that a request presents, unverified.

    Args:
        authorization: the value of `Authorization`: ``Bearer <key>``; ``Basic`` whose password is the key, with any
            user name (Grafana, Prometheus); ``ApiKey <key>`` or ``ApiKey base64(<anything>:<key>)``
            (Elasticsearch clients).
        api_key: the value of `X-API-Key` or `api-key`.

    Raises:
        Unauthenticated: there is none, the header cannot be read, or two different keys are presented. The last is
            refused because whichever were picked, something in front of the server might have judged the other.
    """
    if authorization is None:
        if api_key is None:
            raise Unauthenticated(MISSING)
        return api_key.strip()
    key = _authorization_key(authorization)
    if api_key is not None and api_key.strip() != key:
        raise Unauthenticated(CONFLICTING)
    return key


def _authorization_key(value: bytes) -> bytes:
    if len(value) > MAX_HEADER_BYTES:
        raise Unauthenticated(UNREADABLE)
    scheme, _, rest = value.strip().partition(b" ")
    rest = rest.strip()
    match scheme.lower():
        case b"bearer":
            return rest
        case b"basic":
            return _password(rest)
        case b"apikey":
            return rest if rest.startswith(b"vdt_") else _password(rest)
        case _:
            raise Unauthenticated(UNREADABLE)


def _password(encoded: bytes) -> bytes:
    """Return what follows the first colon of base64 `user:password` (a user name cannot contain one)."""
    try:
        pair = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated(UNREADABLE) from None
    _, colon, password = pair.partition(b":")
    if not colon:
        raise Unauthenticated(UNREADABLE)
    return password
