"""What browsers are told with every answer of the API."""

from __future__ import annotations

from typing import Final

__all__ = ["SECURITY_HEADERS"]

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Pages say more of their own."""
