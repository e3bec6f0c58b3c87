"""How the pages are served: compressed, cached, under a strict policy."""

from __future__ import annotations

import gzip
import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def document(shop):
    return shop.platform.request("/")


def script_of(document) -> str:
    found = re.search(r'<script type="module"[^>]* src="(/assets/index-[^"]+)"', document.body.decode())
    assert found
    return found[1]


def test_document_runs_no_inline_script_and_no_foreign_source(document):
    assert document.status == 200
    policy = dict(part.strip().split(" ", 1) for part in document.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in document.headers["content-security-policy"]
    assert document.headers["cache-control"] == "no-store"
    assert document.headers["x-content-type-options"] == "nosniff"
    assert document.headers["x-frame-options"] == "DENY"


def test_nonce_is_new_for_every_answer(shop):
    nonces = set()
    for _ in range(3):
        answer = shop.platform.request("/")
        nonce = re.search(r"'nonce-([^']+)'", answer.headers["content-security-policy"])
        assert nonce
        assert f'content="{nonce[1]}"' in answer.body.decode()
        nonces.add(nonce[1])
    assert len(nonces) == 3


def test_files_are_compressed_and_kept_forever(shop, document):
    path = script_of(document)
    plain = shop.platform.request(path)
    packed = shop.platform.request(path, headers={"Accept-Encoding": "gzip"})
    brotli = shop.platform.request(path, headers={"Accept-Encoding": "gzip, br"})
    refused = shop.platform.request(path, headers={"Accept-Encoding": "br;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == refused.body
    assert brotli.headers["content-encoding"] == "br"
    assert len(brotli.body) < len(packed.body) < len(plain.body)
    assert plain.body.startswith(b"//# allFunctionsCalledOnLoad\n")  # compiled beside the main thread
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/javascript")


ASKING_AHEAD = ["/", "/services", "/services/orders", "/map", "/traces", "/logs", "/sql"]


@pytest.mark.parametrize("path", [*ASKING_AHEAD, "/explore"])
def test_a_first_route_needs_less_than_300_kb_of_script_in_few_files_and_asks_for_its_data_before(make_visitor, path):
    usual, without = make_visitor(), make_visitor()
    answers = []
    usual.page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - it must take an attribute
    requested: list[str] = []
    usual.page.on("request", lambda r: requested.append(r.url))
    early: list[str] = []
    without.page.on("request", lambda r: early.append(r.url) if "/api/v1/" in r.url else None)
    without.page.route("**/assets/index-*.js", lambda route: route.abort())
    without.open(path)
    usual.open(path)
    expect(usual.page.get_by_role("heading", level=1)).to_be_visible()
    for visitor in (usual, without):
        visitor.page.wait_for_load_state("networkidle")
    without.complaints.clear()  # that a script is missing
    # After two seconds the page prepares what is opened above it; a slow machine is not idle by then.
    first = set(requested[: next((at for at, url in enumerate(requested) if "/overlays-" in url), len(requested))])
    scripts = [one for one in answers if one.url.endswith(".js") and one.url in first]
    assert 0 < sum(int(answer.headers["content-length"]) for answer in scripts) < 300_000
    assert len(scripts) < 10
    # The page's own files stand in the document, so that none waits for another that names it.
    document = answers[0].text()
    assert all(script.url.rpartition("/")[2] in document for script in scripts)
    # What is asked ahead is what the page asks, once.
    asked = [one.url for one in answers if "/api/v1/" in one.url]
    assert any(url.endswith("/session") for url in early)
    assert set(early) <= set(asked)
    assert sorted(set(asked)) == sorted(asked)
    assert len(early) > 1 or path not in ASKING_AHEAD


def test_every_page_has_the_same_document_and_nothing_else_has(shop):
    for path in ("/traces", "/traces/0123", "/services/a%2Fb", "/no/such/page"):
        answer = shop.platform.request(path)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
    for path in ("/api/v1/nothing", "/jaeger/nothing", "/assets/nothing.js", "/assets/../../ui.py", "/v1/nothing"):
        answer = shop.platform.request(path)
        assert answer.status == 404, path
        assert "html" not in answer.headers["content-type"], path
    assert shop.platform.request("/traces", b"{}").status == 404


def test_head_has_the_headers_only(shop):
    answer = shop.platform.request("/", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 100
