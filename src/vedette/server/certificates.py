"""The system's certificates: read by what asks for them, and not by everything that loads aiohttp.

aiohttp reads them when it is imported, a tenth of a second in each of three processes that start together, for contexts
of its own; ours talk to each other by Unix sockets, and what goes to other machines has the context made here.
"""

from __future__ import annotations

import os
import ssl
from functools import cache
from typing import Final

__all__ = ["load_aiohttp", "trusted_by_system"]

_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def load_aiohttp() -> None:
    """Import aiohttp, whose own contexts trust nobody then. To be called first, while no other thread runs."""
    given = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, os.devnull))
    try:
        import aiohttp  # noqa: F401, PLC0415 - for what it does when it is imported
    finally:
        for name, value in given.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@cache
def trusted_by_system() -> ssl.SSLContext:
    """The context that trusts what the system trusts, or SSL_CERT_FILE and SSL_CERT_DIR say."""
    return ssl.create_default_context()
