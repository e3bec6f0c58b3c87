"""How requests are made: credentials, TLS, proxies and headers, as Prometheus has them wherever it makes requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import SettingsError

if TYPE_CHECKING:
    from vedette.server.scrape.section import Section

__all__ = ["CLIENT_FIELDS", "CLIENT_REFUSED", "ClientConfig", "OAuth2", "Tls", "read_client"]

CLIENT_FIELDS = frozenset(
    {
        "authorization",
        "basic_auth",
        "bearer_token",
        "bearer_token_file",
        "enable_http2",
        "follow_redirects",
        "http_headers",
        "no_proxy",
        "oauth2",
        "proxy_connect_header",
        "proxy_from_environment",
        "proxy_url",
        "tls_config",
    }
)
CLIENT_REFUSED: dict[str, str] = {}
_TLS_VERSIONS = ("", "TLS10", "TLS11", "TLS12", "TLS13")
_REFERENCES = "secrets come from files, not from a secret manager"


@dataclass(frozen=True, slots=True)
class Tls:
    """``tls_config``. Texts are PEM and stand instead of the files."""

    ca: str = ""
    ca_file: str = ""
    cert: str = ""
    cert_file: str = ""
    key: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: str = ""
    max_version: str = ""


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Client credentials: RFC 6749, section 4.4."""

    client_id: str
    client_secret: str
    client_secret_file: str
    token_url: str
    scopes: tuple[str, ...]
    params: tuple[tuple[str, str], ...]
    tls: Tls
    proxy_url: str


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What a request is made with. Files are read with every request, as secrets rotate."""

    username: str = ""
    username_file: str = ""
    password: str = ""
    password_file: str = ""
    scheme: str = "Bearer"
    credentials: str = ""
    credentials_file: str = ""
    oauth2: OAuth2 | None = None
    tls: Tls = Tls()
    redirects: bool = True
    proxy_url: str = ""
    no_proxy: tuple[str, ...] = ()
    proxy_from_environment: bool = False
    proxy_headers: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str, str], ...] = ()
    """Name, value, or the file that has it."""


def read_client(section: Section) -> ClientConfig:
    """The part of a section that is about requests.

    Raises:
        SettingsError: something in it is wrong, or contradicts another part.
    """
    basic, bearer = section.section("basic_auth"), section.section("authorization")
    basic.only({"username", "username_file", "password", "password_file"}, _refs("username_ref", "password_ref"))
    bearer.only({"type", "credentials", "credentials_file"}, _refs("credentials_ref"))
    ways = [name for name in ("basic_auth", "authorization", "oauth2") if section.value.get(name) is not None]
    ways += [name for name in ("bearer_token", "bearer_token_file") if section.text(name)]
    if len(ways) > 1:
        raise SettingsError(f"{section.where}: at most one of {', '.join(ways)} may be given.")
    _one_at_most(basic, "username", "username_file")
    _one_at_most(basic, "password", "password_file")
    _one_at_most(bearer, "credentials", "credentials_file")
    if bearer.text("type").strip().lower() == "basic":
        raise SettingsError(f'{bearer.where}: type must not be "basic"; use basic_auth.')
    if section.text("proxy_url") and section.flag("proxy_from_environment", default=False):
        raise SettingsError(f"{section.where}: at most one of proxy_url, proxy_from_environment may be given.")
    if section.text("no_proxy") and not section.text("proxy_url"):
        raise SettingsError(f"{section.where}: no_proxy needs a proxy_url.")
    return ClientConfig(
        no_proxy=tuple(part.strip().lower() for part in section.text("no_proxy").split(",") if part.strip()),
        username=basic.text("username"),
        username_file=basic.file("username_file"),
        password=basic.text("password"),
        password_file=basic.file("password_file"),
        scheme=bearer.text("type", "Bearer"),
        credentials=bearer.text("credentials") or section.text("bearer_token"),
        credentials_file=bearer.file("credentials_file") or section.file("bearer_token_file"),
        oauth2=_oauth2(section.section("oauth2")) if section.value.get("oauth2") is not None else None,
        tls=_tls(section.section("tls_config")),
        redirects=section.flag("follow_redirects", default=True),
        proxy_url=_proxy(section),
        proxy_from_environment=section.flag("proxy_from_environment", default=False),
        proxy_headers=tuple(
            (name, str(value))
            for name, values in section.section("proxy_connect_header").value.items()
            for value in (values if isinstance(values, list) else [values])
        ),
        headers=tuple(_headers(section.section("http_headers"))),
    )


def _refs(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, _REFERENCES)


def _one_at_most(section: Section, *names: str) -> None:
    if sum(bool(section.text(name)) for name in names) > 1:
        raise SettingsError(f"{section.where}: at most one of {', '.join(names)} may be given.")


def _proxy(section: Section) -> str:
    url = section.text("proxy_url")
    if url and not url.startswith(("http://", "https://")):
        raise SettingsError(f"{section.where}: proxy_url must begin with http:// or https://.")
    return url


def _tls(section: Section) -> Tls:
    section.only(set(Tls.__dataclass_fields__), _refs("ca_ref", "cert_ref", "key_ref"))
    for name in ("ca", "cert", "key"):
        _one_at_most(section, name, f"{name}_file")
    if bool(section.text("cert") or section.text("cert_file")) != bool(section.text("key") or section.text("key_file")):
        raise SettingsError(f"{section.where}: a certificate and its key must be given together.")
    return Tls(
        ca=section.text("ca"),
        ca_file=section.file("ca_file"),
        cert=section.text("cert"),
        cert_file=section.file("cert_file"),
        key=section.text("key"),
        key_file=section.file("key_file"),
        server_name=section.text("server_name"),
        insecure_skip_verify=section.flag("insecure_skip_verify", default=False),
        min_version=section.one_of("min_version", _TLS_VERSIONS),
        max_version=section.one_of("max_version", _TLS_VERSIONS),
    )


def _oauth2(section: Section) -> OAuth2:
    section.only(
        {"client_id", "client_secret", "client_secret_file", "token_url", "scopes", "endpoint_params", "tls_config"}
        | {"proxy_url", "grant_type"},
        {
            **_refs("client_secret_ref"),
            **CLIENT_REFUSED,
            "no_proxy": "give no proxy_url",
            "proxy_from_environment": "give proxy_url",
            "proxy_connect_header": "give proxy_url without headers",
            **dict.fromkeys(
                (
                    "client_certificate_key",
                    "client_certificate_key_file",
                    "client_certificate_key_id",
                    "signature_algorithm",
                    "iss",
                    "audience",
                    "claims",
                ),
                "of OAuth2's grants, client_credentials with a secret is supported",
            ),
        },
    )
    section.one_of("grant_type", ("", "client_credentials"))
    for name in ("client_id", "token_url"):
        if not section.text(name):
            raise SettingsError(f"{section.where}: {name} is missing.")
    _one_at_most(section, "client_secret", "client_secret_file")
    return OAuth2(
        client_id=section.text("client_id"),
        client_secret=section.text("client_secret"),
        client_secret_file=section.file("client_secret_file"),
        token_url=section.text("token_url"),
        scopes=section.texts("scopes"),
        params=tuple((name, str(value)) for name, value in section.section("endpoint_params").value.items()),
        tls=_tls(section.section("tls_config")),
        proxy_url=_proxy(section),
    )


def _headers(section: Section) -> list[tuple[str, str, str]]:
    found = []
    for name in section.value:
        one = section.section(name)
        one.only({"values", "secrets", "files"})
        if name.lower() in {"authorization", "host", "accept", "accept-encoding", "content-length", "user-agent"}:
            raise SettingsError(f"{section.where}: the header {name} is set by Vedette and cannot be given here.")
        found += [(name, value, "") for value in (*one.texts("values"), *one.texts("secrets"))]
        found += [(name, "", str(section.folder / file)) for file in one.texts("files")]
    return found
