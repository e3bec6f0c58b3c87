"""A platform that asks for no key answers only those who know it as this machine.

Where no key is needed, whoever reaches the port reads everything, and a web page somewhere else can make a browser on
this machine reach it: by a name that it lets point here (DNS rebinding), or by sending a form. A name in the address
tells the first apart, as an address in digits or ``localhost`` cannot be made to point elsewhere; what browsers say of
a request's origin tells the second apart. With keys there is nothing to guard: no browser sends a key by itself.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vedette.server.api.problems import problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from vedette.server.control.identity import Authenticator
    from vedette.server.http.rules import AtOnce

    Application = Callable[[Any, Any, Any], Awaitable[None]]
    """An ASGI application."""

__all__ = ["Application", "KnownNames"]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class KnownNames:
    """An ASGI application in front of another one.

    Args:
        app: what answers.
        authenticator: says whether keys are needed; asked for every request, as the first admin key changes that.
        names: host names under which the platform is known besides ``localhost``.
    """

    def __init__(self, app: Application, authenticator: Authenticator, names: Collection[str]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request, or refuse it."""
        if scope["type"] == "http" and not self._authenticator.required and (why := self._objection(scope)):
            await problem(HTTPStatus.FORBIDDEN, "Not from there", why)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def before(self, at_once: AtOnce) -> AtOnce:
        """What answers some requests at once, where they would not be refused."""

        def answer(scope: Any, body: bytes) -> tuple[int, Iterable[tuple[bytes, bytes]], bytes] | None:  # noqa: ANN401 - ASGI
            is_refused = not self._authenticator.required and self._objection(scope) is not None
            return None if is_refused else at_once(scope, body)

        return answer

    def _objection(self, scope: Any) -> str | None:  # noqa: ANN401 - ASGI
        named, origin = b"", b""
        for name, value in scope["headers"]:
            if name == b"host":
                named = value
            elif name == b"origin":
                origin = value
        asked, host = _host_of(named)
        if not _is_this_machine(host) and host not in self._names:
            return (
                f"No key is asked for here, so only this machine is answered, and {host!r} may be a name that somebody "
                "else lets point to it. Ask for localhost or 127.0.0.1, add the name to the setting host_names, or "
                "create a key with `vedette key create --scope admin`."
            )
        if not origin or scope["method"] in _READS:
            return None
        shown = origin.decode("latin-1").lower()
        page = urlsplit(shown).netloc
        if page != asked and _host(page) not in self._names:
            return f"A page of {shown} may not write here: no key is asked for, and the browser is not its to use."
        return None


@lru_cache(maxsize=256)
def _host_of(named: bytes) -> tuple[str, str]:
    """A Host header in lower case, and the host in it."""
    asked = named.decode("latin-1").lower()
    return asked, _host(asked)


def _host(asked: str) -> str:
    """The host of a Host header: ``name``, ``name:port``, ``[IPv6]:port``."""
    if asked.startswith("["):
        return asked[1:].partition("]")[0]
    return asked.partition(":")[0].rstrip(".")


@lru_cache(maxsize=256)
def _is_this_machine(host: str) -> bool:
    if not host or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
