"""Requests as a configuration wants them: TLS, credentials, OAuth2's tokens, proxies."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from base64 import b64encode
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from vedette.errors import InvalidInput
from vedette.server.certificates import trusted_by_system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from vedette.server.scrape.client_config import ClientConfig, OAuth2, Tls

__all__ = ["Client", "needs_no_proxy"]

_KEPT_SECONDS = 300.0
"""How long a connection waits for the next request, as Prometheus' do: longer than the time between two scrapes."""
_TOKEN_MARGIN_SECONDS = 10.0
_TOKEN_SECONDS = 300.0
_MOST_TOKEN_BYTES = 1 << 20
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_OK = 200


class Client:
    """Makes requests by one configuration. Proxies of the environment are used only where it says so."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._token_until = 0.0
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def get(
        self,
        url: str,
        headers: Mapping[str, str],
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """The answer to a GET; raises what `request` does."""
        return self.request("GET", url, headers, **options)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        **options: Any,  # noqa: ANN401 - aiohttp's
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request.

        Raises:
            aiohttp.ClientError, OSError: no answer, or a file of the configuration cannot be read.
            InvalidInput: there is no token.
        """
        config = self._config
        async with self._lock:
            if self._session is None:
                context = await asyncio.to_thread(_context, config.tls)
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=_KEPT_SECONDS),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=config.proxy_from_environment,
                )
        of_files = _is_in_files(config)
        found = {**headers, **(await asyncio.to_thread(_credentials, config) if of_files else _credentials(config))}
        if config.oauth2 is not None:
            found["Authorization"] = f"Bearer {await self._bearer(config.oauth2)}"
        async with self._session.request(
            method,
            url,
            headers=found,
            allow_redirects=config.redirects,
            proxy=None if config.no_proxy and needs_no_proxy(url, config.no_proxy) else config.proxy_url or None,
            proxy_headers=dict(config.proxy_headers) or None,
            server_hostname=config.tls.server_name or None,
            **options,
        ) as answer:
            yield answer

    async def _bearer(self, oauth2: OAuth2) -> str:
        """The token, fetched anew shortly before it ends."""
        async with self._lock:
            if time.monotonic() < self._token_until:
                return self._token
            secret = oauth2.client_secret
            if oauth2.client_secret_file:
                secret = await asyncio.to_thread(_read, oauth2.client_secret_file)
            form = {"grant_type": "client_credentials", **dict(oauth2.params)}
            if oauth2.scopes:
                form["scope"] = " ".join(oauth2.scopes)
            context = await asyncio.to_thread(_context, oauth2.tls)
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
                session.post(
                    oauth2.token_url,
                    data=form,
                    headers={"Accept": "application/json", **_basic(oauth2.client_id, secret)},
                    proxy=oauth2.proxy_url or None,
                    allow_redirects=False,
                ) as answer,
            ):
                document = await _token_document(answer, oauth2.token_url)
            self._token = str(document["access_token"])
            lifetime = document.get("expires_in")
            seconds = float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else _TOKEN_SECONDS
            self._token_until = time.monotonic() + max(seconds - _TOKEN_MARGIN_SECONDS, seconds / 2)
            return self._token


async def _token_document(answer: aiohttp.ClientResponse, url: str) -> dict[str, Any]:
    """What the token endpoint says; its body stays out of the message, as it may hold secrets."""
    try:
        document = await answer.json(content_type=None)
    except (ValueError, aiohttp.ClientError):
        document = None
    if answer.status == _OK and isinstance(document, dict) and document.get("access_token"):
        return document
    error = document.get("error", "") if isinstance(document, dict) else ""
    raise InvalidInput(f"no token from {url}: HTTP status {answer.status} {str(error)[:100]}".rstrip())


def needs_no_proxy(url: str, entries: Sequence[str]) -> bool:
    """Whether an URL is asked directly: it is of this machine, or of a host, domain or network of ``no_proxy``."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_is_meant(entry, host, address, port) for entry in entries)


def _is_meant(entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int | None) -> bool:
    """Whether an entry of ``no_proxy`` means a host: ``*``, ``10.0.0.0/8``, ``a.org`` and below it, ``.a.org``."""
    if entry == "*":
        return True
    with contextlib.suppress(ValueError):
        network = ip_network(entry, strict=False)
        return address is not None and address in network
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal():
        if int(wanted) != port:
            return False
        entry = name.strip("[]")
    if address is not None:
        return entry == host
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")


def _context(tls: Tls) -> ssl.SSLContext:
    if not any(getattr(tls, name) for name in tls.__dataclass_fields__):
        return trusted_by_system()
    context = ssl.create_default_context(cafile=tls.ca_file or None, cadata=tls.ca or None)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.min_version:
        context.minimum_version = _VERSIONS[tls.min_version]
    if tls.max_version:
        context.maximum_version = _VERSIONS[tls.max_version]
    if tls.cert or tls.cert_file:
        # OpenSSL takes files alone.
        with NamedTemporaryFile("w") as both:
            both.write((tls.cert or _read(tls.cert_file)) + "\n" + (tls.key or _read(tls.key_file)) + "\n")
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _is_in_files(config: ClientConfig) -> bool:
    """Whether some of the credentials are read anew for each request."""
    files = config.username_file, config.password_file, config.credentials_file
    return any(files) or any(file for _, _, file in config.headers)


def _credentials(config: ClientConfig) -> dict[str, str]:
    found = {name: value or _read(file) for name, value, file in config.headers}
    if config.username or config.username_file:
        user = _read(config.username_file) if config.username_file else config.username
        password = _read(config.password_file) if config.password_file else config.password
        return {**found, **_basic(user, password)}
    secret = _read(config.credentials_file) if config.credentials_file else config.credentials
    if secret:
        found["Authorization"] = f"{config.scheme} {secret}"
    return found


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def _read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8").strip()
