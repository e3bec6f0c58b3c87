"""A real browser on a real platform that the demo's shop has filled."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright
from real_platform import Platform
from ui_visitors import CHROMIUM, PATIENCE_MS, PHONE, TENANT, WIDE, Shop, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]


_SELDOM = """
SELECT
    countIf(has(events.name, 'retry')) > 0 AS retries,
    countIf(has(events.name, 'exception') AND status = 'error') > 0 AS failures,
    countIf(notEmpty(links.trace_id)) > 0 AS links
FROM spans
"""


@pytest.fixture(scope="session")
def shop(run_folder):
    """One shop for all workers: the first who needs it opens it, and closes it when the others have left."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed; the package chromium-headless-shell brings it.")
    folder = run_folder / "shop"
    folder.mkdir(exist_ok=True)
    owned = None
    with (folder / "door").open("w") as door, (folder / "visitors").open("w") as visitors:
        with _alone(door):
            if (folder / "shop.json").exists():
                found = _read(folder / "shop.json")
            else:
                owned = Platform(Path(tempfile.mkdtemp(dir=folder)) / "data").start()
                found = _open(owned)
                _write(found, folder / "shop.json")
            fcntl.flock(visitors, fcntl.LOCK_SH)
        yield found
        fcntl.flock(visitors, fcntl.LOCK_UN)
        if owned:
            with _alone(door), _alone(visitors):
                (folder / "shop.json").unlink()
                owned.stop()


@contextmanager
def _alone(file: IO[str]) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    yield
    fcntl.flock(file, fcntl.LOCK_UN)


def _write(shop: Shop, path: Path) -> None:
    platform = shop.platform
    ports = {"port": platform.port, "otlp_http": platform.otlp_http, "otlp_grpc": platform.otlp_grpc}
    times = {"start": shop.start.isoformat(), "end": shop.end.isoformat()}
    path.write_text(json.dumps({"data_dir": str(platform.data_dir), **ports, **times}))


def _read(path: Path) -> Shop:
    told = json.loads(path.read_text())
    start, end = (datetime.fromisoformat(told.pop(name)) for name in ("start", "end"))
    return Shop(Platform(Path(told.pop("data_dir")), **told), start, end)


def _open(platform: Platform) -> Shop:
    vedette = [sys.executable, "-m", "vedette.cli.main"]
    create = [*vedette, "key", "create", "shop", "--tenant", TENANT, "--scope", "ingest", "--scope", "read"]
    made = subprocess.run([*create, "--data-dir", str(platform.data_dir)], check=True, capture_output=True, text=True)
    # With a minute of nothing before it, so that whatever the clock says, lines over time have more than one point.
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=65)
    # Most of one of its days, so that a service has two releases however slowly it starts anew. On the seed's day the
    # provider of payments is down around noon, when even a slow shop is open: then charges are tried again, and fail.
    command = [*vedette, "demo", "--no-serve", "--plain", "--duration", "36", "--rate", "14", "--day", "40"]
    command += ["--seed", "15", "--api-key", made.stdout.strip(), "--listen", f"127.0.0.1:{platform.port}"]
    command += ["--otlp-http", f"127.0.0.1:{platform.otlp_http}", "--otlp-grpc", f"127.0.0.1:{platform.otlp_grpc}"]
    is_full = False
    while not is_full:  # on a slow machine few are served in that time, and what seldom happens may not have happened
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        platform.loaded()
        is_full = all(platform.sql(_SELDOM, TENANT)[0].values())
    return Shop(platform, start, datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2))


@pytest.fixture(scope="module")
def browser(shop):  # noqa: ARG001 - started after the shop
    """One browser for a module: while Playwright runs, the thread has an event loop that others could not start."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def _complain(visitor: Visitor, message: Any) -> None:
    if message.type in {"error", "warning"}:
        visitor.complaints.append(message.text)


def _visit(page: Page, shop: Shop) -> Iterator[Visitor]:
    page.set_default_timeout(PATIENCE_MS)
    visitor = Visitor(page, shop)

    def hear(message: Any) -> None:
        _complain(visitor, message)

    def fail(error: Any) -> None:
        visitor.complaints.append(str(error))

    page.on("console", hear)
    page.on("pageerror", fail)
    yield visitor
    if page.url.startswith(shop.platform.url):
        page.evaluate(
            "[localStorage, sessionStorage].forEach((chosen) => chosen.clear())"
        )  # is not the next one's choice
    page.remove_listener("console", hear)
    page.remove_listener("pageerror", fail)
    assert not visitor.complaints


def _page_of(context: BrowserContext, viewport: ViewportSize = WIDE) -> Page:
    """The profile's page as it was in the beginning: another one costs as much as everything that is done in it."""
    page, *others = context.pages or [context.new_page()]
    for other in others:
        other.close()
    page.unroute_all(behavior="ignoreErrors")
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return page


def _window(browser: Browser, **options: Any) -> BrowserContext:
    """A browser's profile. Nothing moves by itself in it, so that what is looked at is what stays."""
    return browser.new_context(**{"viewport": WIDE, "timezone_id": "UTC", "reduced_motion": "reduce", **options})


@pytest.fixture(scope="module")
def windows(browser):
    """Profiles that the visitors of a module share, so that scripts are read and compiled once."""
    made: dict[str, BrowserContext] = {}

    def window(**options: Any) -> BrowserContext:
        name = json.dumps(options, sort_keys=True)
        if name not in made:
            made[name] = _window(browser, **options)
        return made[name]

    yield window
    for context in made.values():
        context.close()


@pytest.fixture
def visitor(windows, shop, make_platform):  # noqa: ARG001 - the page is left before platforms stop
    yield from _visit(_page_of(windows(permissions=["clipboard-read", "clipboard-write"])), shop)


@pytest.fixture
def phone(windows, shop, make_platform):  # noqa: ARG001 - the page is left before platforms stop
    yield from _visit(_page_of(windows(viewport=PHONE, has_touch=True), PHONE), shop)


@pytest.fixture
def examined(windows, shop, make_platform):  # noqa: ARG001 - the page is left before platforms stop
    """A phone whose window may become wide, and that lets axe in."""
    yield from _visit(_page_of(windows(viewport=PHONE, has_touch=True, bypass_csp=True), PHONE), shop)


@pytest.fixture
def make_visitor(browser, shop):
    """Visitors who were never here, with other windows if need be: `make_visitor(color_scheme="dark")`."""
    made = []

    def make(**options: Any) -> Visitor:
        context = _window(browser, **options)
        visit = _visit(context.new_page(), shop)
        made.append((context, visit))
        return next(visit)

    yield make
    for context, visit in made:
        next(visit, None)
        context.close()
