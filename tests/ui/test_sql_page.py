"""The SQL page runs statements, shows what comes back, and says where a statement is wrong."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import expect

BY_SERVICE = "SELECT service, count() AS spans FROM spans GROUP BY service ORDER BY spans DESC"
BY_MINUTE = "SELECT toStartOfMinute(time) AS minute, count() AS spans FROM spans GROUP BY minute ORDER BY minute"


def expected(visitor, statement: str) -> list[dict]:
    return visitor.shop.platform.sql(statement, "shop")


def told(page, number: int) -> None:
    expect(page.get_by_text(re.compile(rf"^{number} rows in "))).to_be_visible()


def test_a_statement_is_run_its_rows_are_shown_and_drawn_over_time_and_by_name(visitor):
    page = visitor.open("/sql")
    field = page.get_by_label("SQL statement")
    field.fill(BY_SERVICE)
    field.press("Control+Enter")
    rows = expected(visitor, BY_SERVICE)
    told(page, len(rows))
    assert visitor.table("Result") == [[str(n + 1), row["service"], str(row["spans"])] for n, row in enumerate(rows)]
    assert visitor.search()["sql"] == BY_SERVICE
    page.reload()
    told(page, len(rows))

    page.get_by_text("Bars", exact=True).click()
    bars = page.get_by_role("table", name="spans as bars").get_by_role("row")
    expect(bars).to_have_count(len(rows))
    for bar, row in zip(bars.all(), rows, strict=True):
        expect(bar).to_contain_text(row["service"])
        expect(bar).to_contain_text(f"{row['spans']:,}")
    assert visitor.search()["chart"] == "bars"
    field.fill(BY_MINUTE)
    field.press("Control+Enter")
    page.get_by_text("Lines", exact=True).click()
    expect(page.get_by_role("img", name="The result over time")).to_be_visible()
    assert visitor.search()["chart"] == "line"
    field.fill("SELECT 'a' AS x")
    field.press("Control+Enter")
    expect(page.get_by_text("Nothing to draw")).to_be_visible()


def test_an_error_stands_at_its_character(visitor):
    statement = "SELECT service FROM spans WHERE (time > now()\nGROUP BY service"
    page = visitor.open("/sql", sql=statement)
    expect(page.get_by_role("alert")).to_contain_text("cannot be parsed")
    expect(page.locator(".cm-lintRange-error")).to_have_text("G")
    page.get_by_label("SQL statement").fill("SELECT nothing_like_it FROM spans")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing_like_it")
    page.get_by_label("SQL statement").fill("SELECT * FROM system.tables")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("system")
    visitor.complaints[:] = [text for text in visitor.complaints if "400" not in text and "403" not in text]


def test_what_is_selected_is_typed_over_before_the_editor_has_heard_of_the_selection(make_visitor):
    visitor = make_visitor()  # the script stays with the page
    hush = "addEventListener('selectionchange', event => event.stopImmediatePropagation(), true)"
    visitor.page.add_init_script(hush)
    page = visitor.open("/sql", sql="SELECT service FROM spans WHERE (time > now()\nGROUP BY service")
    expect(page.locator(".cm-lintRange-error")).to_have_text("G")
    field = page.get_by_label("SQL statement")
    # What an editor that takes the focus draws ends a selection of which it has not heard.
    field.focus()
    expect(page.locator(".cm-editor.cm-focused")).to_be_visible()
    for statement in ("SELECT name FROM spans", "SELECT kind\nFROM spans", "SELECT 1"):
        field.fill(statement)
        expect(field.locator(".cm-line")).to_have_text(statement.split("\n"))
    # Nothing was written as an inline style: that would be a complaint of the policy.
    visitor.complaints[:] = [text for text in visitor.complaints if "400" not in text]


def put_caret_behind(field, text: str) -> None:
    field.press("Control+Home")
    for _ in text:
        field.press("ArrowRight")


def test_the_schema_is_browsed_and_completed_and_statements_are_formatted(visitor):
    page = visitor.open("/sql")
    schema = page.get_by_role("region", name="Schema")
    tables = visitor.shop.api("sql/schema")["tables"]
    for table in tables:
        expect(schema.locator("summary").get_by_text(table["name"], exact=True)).to_be_visible()
    page.get_by_label("Find a table or column").fill("duration_ms")
    expect(schema.locator("summary").get_by_text("spans", exact=True)).to_be_visible()
    expect(schema.locator("summary").get_by_text("usage_hour", exact=True)).to_be_hidden()
    field = page.get_by_label("SQL statement")
    field.fill("SELECT max() FROM spans")
    put_caret_behind(field, "SELECT max(")
    schema.get_by_role("button", name=re.compile("^duration_ms")).click()
    expect(field).to_have_text("SELECT max(duration_ms) FROM spans")

    columns = {c["name"] for t in tables if t["name"] == "logs" for c in t["columns"]}
    field.fill("SELECT  FROM logs")
    put_caret_behind(field, "SELECT ")
    field.press_sequentially("severit")
    for name in sorted(name for name in columns if name.startswith("severit")):
        expect(page.get_by_role("option", name=re.compile(rf"^{name}\b")).first).to_be_visible()
    field.press("Tab")
    expect(field).to_have_text("SELECT severity FROM logs")

    field.fill("select service, count() from spans where status='error' -- failed\ngroup by service")
    page.get_by_role("button", name="Format").click()
    lines = field.locator(".cm-line")
    expect(lines.first).to_have_text("SELECT")
    formatted = lines.all_inner_texts()
    assert formatted[:6] == ["SELECT", "  service,", "  count()", "FROM", "  spans", "WHERE"]
    assert any("-- failed" in line for line in formatted)


def test_what_ran_is_in_the_history_of_this_browser_and_values_of_every_kind_are_texts(visitor):
    page = visitor.open("/sql")
    page.get_by_role("button", name="Log lines by service and severity").click()
    expect(page.get_by_role("columnheader", name="severity")).to_be_visible()
    history = page.get_by_role("region", name="History")
    history.get_by_role("button", name="Clear").click()
    field = page.get_by_label("SQL statement")
    for statement in ("SELECT 2 AS two", "SELECT 3 AS three"):
        field.fill(statement)
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("columnheader", name=statement.rsplit(" ", 1)[1])).to_be_visible()
    expect(history.get_by_role("listitem")).to_have_text(["SELECT 3 AS three", "SELECT 2 AS two"])
    history.get_by_role("button", name="SELECT 2 AS two").click()
    expect(field).to_have_text("SELECT 2 AS two")
    history.get_by_role("button", name="Clear").click()
    expect(history).to_have_count(0)
    field.fill("SELECT NULL AS n, [1, 2] AS list, map('k', '<b>x</b>') AS m, '<img src=x onerror=alert(1)>' AS html")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("columnheader", name="html")).to_be_visible()
    assert visitor.table("Result") == [["1", "NULL", "[1,2]", '{"k":"<b>x</b>"}', "<img src=x onerror=alert(1)>"]]


def test_many_rows_are_shown_a_few_at_a_time_and_saved_whole(visitor):
    statement = "SELECT number, toString(number) AS text FROM numbers(30000)"
    page = visitor.open("/sql", sql=statement)
    expect(page.get_by_text(re.compile("^The first 20.* rows in "))).to_be_visible()
    expect(page.get_by_text("The page shows 20,000 rows.")).to_be_visible()
    region = page.get_by_role("region", name="Rows of the result")
    assert region.locator("tbody tr").count() < 100
    region.evaluate("element => { element.scrollTop = element.scrollHeight }")
    expect(region.get_by_role("cell", name="19999", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Save as").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="CSV", exact=True).click()
    assert started.value.suggested_filename == "result.csv"
    rows = list(csv.DictReader(io.StringIO(Path(started.value.path()).read_text())))
    assert (len(rows), rows[-1]["text"]) == (30_000, "29999")


def test_sql_fits_a_phone_and_axe_finds_nothing_serious(examined):
    page = examined.open("/sql")
    field = page.get_by_label("SQL statement")
    for statement, shown in (("", ""), (BY_SERVICE, "Table"), (BY_SERVICE, "Bars"), (BY_MINUTE, "Lines")):
        if statement:
            field.fill(statement)
            page.get_by_role("button", name="Run").click()
            page.get_by_text(shown, exact=True).click()
        expect(field).to_be_visible()
        assert examined.obstacles() == []
