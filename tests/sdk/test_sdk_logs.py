"""Log lines as they reach stdout and files, and the records that reach the endpoint, from real programs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_programs import STEADY, attributes_of, value_of

from vedette.sdk import redaction
from vedette.sdk.logs.files import LogFile
from vedette.sdk.logs.lines import JsonLines
from vedette.sdk.logs.records import Captured, Channel
from vedette.sdk.redaction import MASK, Redactor
from vedette.sdk.resource import Scope


def lines_of(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


SETUP = """
    import logging, sys, vedette
    vedette.configure("shop", log_level="debug")
    log = vedette.get_logger("shop.orders")
"""


def test_a_line_has_fields_context_and_the_ids_of_its_span(programs, collector):
    result = programs.run(
        SETUP
        + """
    with vedette.span("order") as span, vedette.context(correlation_id="c-1", tenant="acme", who="outer"):
        log.with_context(user_id=123, who="bound").info("order placed", order_id=42, who="nearest")
    log.warning("100%% of %s, %d", "it", 3)
    """
    )
    first, second = lines_of(result)
    span = collector.spans[0]
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "level": "info",
        "logger": "shop.orders",
        "message": "order placed",
        "correlation_id": "c-1",
        "tenant": "acme",
        "who": "nearest",
        "user_id": 123,
        "order_id": 42,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "service": "shop",
    }
    assert second["message"] == "100% of it, 3"
    sent = collector.logs[0]
    assert value_of(sent.body) == "order placed"
    assert (sent.severity_number, sent.severity_text) == (9, "INFO")
    assert (sent.trace_id, sent.span_id, sent.flags & 1) == (span.trace_id, span.span_id, 1)
    expected = {"correlation_id": "c-1", "tenant": "acme", "who": "nearest", "user_id": 123, "order_id": 42}
    assert attributes_of(sent) == expected
    assert abs(sent.time_unix_nano - span.end_time_unix_nano) < 10**10
    assert collector.resources("/v1/logs")[0].scope_logs[0].scope.name == "shop.orders"


def test_exceptions_have_type_message_and_stack(programs, collector):
    result = programs.run(
        SETUP
        + """
    class Odd(Exception):
        def __str__(self):
            raise TypeError("no text")
    for error in (ValueError("wrong"), Odd()):
        try:
            raise error
        except Exception:
            log.exception("failed")
    log.error("given", exc_info=KeyError("k"))
    """
    )
    first, odd, given_error = lines_of(result)
    assert first["exception"]["type"] == "ValueError"
    assert first["exception"]["message"] == "wrong"
    assert "raise error" in first["exception"]["stack"]
    assert odd["exception"]["type"] == "__main__.Odd"
    assert given_error["exception"]["type"] == "KeyError"
    assert attributes_of(collector.logs[0])["exception.type"] == "ValueError"


def test_the_standard_librarys_loggers_go_the_same_way_once(programs, collector):
    result = programs.run(
        """
        import logging, sys
        logging.basicConfig(stream=sys.stdout)
        import vedette
        vedette.configure("shop")
        with vedette.span("s"):
            logging.getLogger("lib.db").warning("slow %s", "query", extra={"rows": 3})
        logging.getLogger("lib.db").debug("not shown")
        logging.getLogger("wrong").warning("%d", "text")
        changing = {"a": 1}
        logging.warning("dict %s", changing); changing["a"] = 2
        try:
            1 / 0
        except ZeroDivisionError:
            logging.exception("std")
        vedette.shutdown()
        logging.warning("after the end")
        vedette.configure("shop")
        import logging.config  # a framework configures anew: what it says of levels holds, and lines go on our way
        console = {"class": "logging.StreamHandler", "stream": sys.stdout}
        logging.config.dictConfig({"version": 1, "handlers": {"console": console}, "disable_existing_loggers": False,
                                   "root": {"handlers": ["console"], "level": "ERROR"}})
        logging.warning("below"); logging.error("configured anew")
        """
    )
    *lines, last, anew = result.stdout.splitlines()
    slow, wrong, changing, failed = [json.loads(line) for line in lines]
    assert (slow["logger"], slow["message"], slow["rows"], len(slow["trace_id"])) == ("lib.db", "slow query", 3, 32)
    assert wrong["message"] == "%d ('text',)"
    assert changing["message"] == "dict {'a': 1}"
    assert failed["exception"]["type"] == "ZeroDivisionError"
    assert last == "WARNING:root:after the end"  # the program's own handler is back
    assert json.loads(anew)["message"] == "configured anew"
    assert Counter(value_of(record.body) for record in collector.logs)["slow query"] == 1


def test_before_configure_records_reach_the_standard_library(programs):
    result = programs.run(
        """
        import logging, sys, vedette
        logging.basicConfig(stream=sys.stdout, level="INFO", format="%(name)s %(funcName)s %(message)s")
        def here():
            vedette.get_logger("early").with_context(a=1).info("hello %s", "you", b="x")
            vedette.get_logger("early").debug("no")
        here()
        """
    )
    assert result.stdout == "early here hello you a=1 b='x'\n"


def test_levels_change_at_run_time_for_a_logger_and_those_below(programs):
    result = programs.run(
        """
        import logging, vedette
        vedette.configure("shop", log_level="warning", log_levels={"a.b": "debug"})
        one, two = vedette.get_logger("a"), vedette.get_logger("a.b.c")
        one.info("1 no"); two.debug("2 yes")
        vedette.set_level("info")
        one.info("3 yes"); logging.getLogger("x").info("4 yes")
        vedette.set_level("error", "a.b")
        two.warning("5 no"); two.error("6 yes")
        """
    )
    assert [line["message"] for line in lines_of(result)] == ["2 yes", "3 yes", "4 yes", "6 yes"]


def test_the_endpoint_changes_levels_while_the_program_runs(programs, collector):
    says: list[str] = []
    collector.answer = lambda _path: (200, {"Vedette-Log-Levels": says[-1]} if says else {}, b"")
    process = programs.start(
        """
        import logging, sys, vedette
        vedette.configure("shop", log_levels={"shop.old": "warning"}, log_buffer=False, process_metrics=False)
        log, old, other = vedette.get_logger("shop.orders"), logging.getLogger("shop.old"), vedette.get_logger("other")
        for line in sys.stdin:
            with vedette.span("asks"): pass
            vedette.flush()
            log.debug("orders"); old.info("old"); other.info("other"); other.debug("other debug")
            print("done", flush=True)
        """
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def logged(asked: str | None) -> list[str]:
        if asked is not None:
            says.append(asked)
        process.stdin.write("\n")
        process.stdin.flush()
        lines = []
        while (line := process.stdout.readline()) != "done\n":
            lines.append(json.loads(line)["message"])
        return lines

    assert logged(None) == ["other"]
    assert logged("shop=debug,shop.old=info") == ["orders", "old", "other"]
    assert logged("no such thing, at all") == ["orders", "old", "other"]
    assert logged("root=warning") == []
    assert logged("") == ["other"]
    _, err = process.communicate()
    assert "log levels that cannot be understood" in err


def test_a_program_may_refuse_the_endpoints_levels(programs, collector):
    collector.answer = lambda _path: (200, {"Vedette-Log-Levels": "root=debug"}, b"")
    result = programs.run(
        """
        import vedette
        vedette.configure("shop", log_remote_levels=False)
        with vedette.span("asks"): pass
        vedette.flush()
        vedette.get_logger("a").debug("not logged")
        """
    )
    assert result.stdout == ""


def test_secrets_do_not_leave_the_process(programs, collector):
    result = programs.run(
        SETUP
        + """
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
    log.info("login with password=hunter2-secret ok", password="hunter2-secret", user_token=jwt, note=f"got {jwt}")
    log.info("pay", card="4111 1111 1111 1111", order="4111 1111 1111 1112", nested={"api_key": "hunter2-secret"})
    log.info("to https://user:hunter2-secret@db/x", header="Authorization: Bearer hunter2-secret")
    with vedette.span("s", authorization="hunter2-secret") as span:
        span.add_event("e", {"x": "Bearer hunter2-secret"})
        span.set_attribute("http.request.header.cookie", ["hunter2-secret"])
        span.set_attribute("gen_ai.usage.input_tokens", 7)
    """
    )
    everything = result.stdout + str(collector.requests)
    assert "hunter2-secret" not in everything
    assert "dozjgNryP4J3" not in everything
    assert "4111 1111 1111 1111" not in everything
    assert "4111 1111 1111 1112" in everything  # no card: the check digit is wrong
    assert lines_of(result)[0]["message"] == f"login with password={MASK} ok"
    assert lines_of(result)[2]["message"] == f"to https://{MASK}@db/x"
    assert attributes_of(collector.spans[0])["gen_ai.usage.input_tokens"] == 7


def test_own_keys_and_patterns_are_masked(programs):
    result = programs.run(
        """
        import vedette
        vedette.configure("shop", redact_keys=["patient_id"], redact_patterns=[r"MRN-\\d+"])
        vedette.get_logger("x").info("see MRN-12345", patientId="p1", other="fine")
        """
    )
    (line,) = lines_of(result)
    assert line["message"] == f"see {MASK}"
    assert line["patientId"] == MASK
    assert line["other"] == "fine"


def test_files_rotate_by_size_without_losing_a_line_among_processes(programs):
    programs.run(
        """
        import os, vedette
        vedette.configure("shop", log_file="logs/app.log", log_rotate_bytes=20_000, log_keep_files=1000)
        log = vedette.get_logger("x")
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                for number in range(500):
                    log.info("line", child=child, number=number)
                vedette.shutdown()
                os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)
        """
    )
    files = sorted((programs.directory / "logs").glob("app.log*"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(files) > 5
    assert Counter((line["child"], line["number"]) for line in lines) == Counter(
        (child, number) for child in range(3) for number in range(500)
    )


def test_old_files_are_removed(programs):
    programs.run(
        """
        import vedette
        vedette.configure("shop", log_file="app.log", log_rotate_bytes=2_000, log_keep_files=2, log_buffer=False)
        for number in range(200):
            vedette.get_logger("x").info("line", number=number)
        """
    )
    files = sorted(programs.directory.glob("app.log.*"))
    assert len(files) == 2
    assert json.loads((programs.directory / "app.log").read_text().splitlines()[-1])["number"] == 199


def test_files_keep_to_their_size_however_many_lines_come_at_once(tmp_path):
    file = LogFile(tmp_path / "app.log", rotate_bytes=100, keep_files=100)
    lines = [f"line {number}" for number in range(100)] + ["long " * 50, "last"]
    file.write("\n".join(lines) + "\n", len(lines))
    file.close()
    rotated, last = sorted(tmp_path.glob("app.log.*")), tmp_path / "app.log"
    assert [line for path in (*rotated, last) for line in path.read_text().splitlines()] == lines
    assert [path.stat().st_size for path in rotated if path.stat().st_size > 100] == [251]


def test_files_rotate_by_age_and_go_when_they_are_too_old(tmp_path):
    """An hour ago is told by the files' times, so that nobody has to wait for it."""
    path = tmp_path / "app.log"
    path.write_text("an hour ago\n")
    for name, age in (("app.log.1", 7200), ("app.log.2", 1800), ("other.log.1", 7200)):
        (tmp_path / name).write_text("rotated\n")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    os.utime(path, (time.time() - 3600,) * 2)
    file = LogFile(path, rotate_seconds=3000, keep_seconds=5000)
    file.write("now\n", 1)
    file.write("and now\n", 1)
    file.close()
    assert path.read_text() == "now\nand now\n"
    kept = {held.name: held.read_text() for held in tmp_path.iterdir() if held != path}
    (rotated,) = set(kept) - {"app.log.2", "other.log.1"}
    assert kept[rotated] == "an hour ago\n"


def test_unbuffered_lines_are_there_even_after_a_hard_exit(programs):
    result = programs.run(
        """
        import os, vedette
        vedette.configure("shop", log_buffer=False)
        vedette.get_logger("x").info("written")
        os._exit(0)
        """
    )
    assert lines_of(result)[0]["message"] == "written"


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "os.kill(os.getpid(), signal.SIGHUP)", "pass"])
def test_buffered_lines_are_written_at_the_programs_end(programs, end):
    process = programs.start(
        f"""
        import os, signal, vedette
        vedette.configure("shop")
        for number in range(1000):
            vedette.get_logger("x").info("line", number=number)
        {end}
        """
    )
    out, _ = process.communicate()
    assert [json.loads(line)["number"] for line in out.splitlines()] == list(range(1000))


def test_structlog_can_end_in_vedette(programs, collector):
    result = programs.run(
        """
        import structlog, vedette
        from vedette.sdk.logs.structlog import VedetteProcessor
        vedette.configure("shop")
        structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level,
                                        VedetteProcessor()])
        structlog.contextvars.bind_contextvars(request="r1")
        structlog.get_logger().warning("hello", user=7)
        structlog.configure(processors=[VedetteProcessor()], wrapper_class=structlog.stdlib.BoundLogger,
                            logger_factory=structlog.stdlib.LoggerFactory())
        structlog.get_logger("shop.old").info("%d of %s", 2, "three")
        """
    )
    line, formatted = lines_of(result)
    assert (line["level"], line["message"], line["request"], line["user"]) == ("warning", "hello", "r1", 7)
    assert (formatted["logger"], formatted["message"]) == ("shop.old", "2 of three")
    assert "positional_args" not in formatted
    assert len(collector.logs) == 2


def test_levels_go_by_name_and_what_other_loggers_have_is_refused_by_a_sentence(programs):
    result = programs.run(
        """
        import logging, vedette
        vedette.configure("shop", log_format="json", export=False, log_level="info")
        log = vedette.get_logger("habits")
        for level in ("warning", "ERROR", "debug", logging.INFO, "loud", None):
            log.log(level, "said", given=str(level))
        for name in ("warn", "isEnabledFor", "whatever"):
            try:
                getattr(log, name)
            except AttributeError as error:
                log.info(str(error))
        """
    )
    said = [(line["level"], line.get("given", line["message"])) for line in lines_of(result)]
    assert said == [
        ("warning", "warning"),
        ("error", "ERROR"),
        ("info", "20"),
        ("info", "loud"),
        ("info", "None"),
        ("info", "Vedette's loggers have no warn: use warning."),
        ("info", "Vedette's loggers have no isEnabledFor: use is_enabled_for."),
        ("info", "'Logger' object has no attribute 'whatever'"),
    ]
    assert "Level 'loud' is not known" in result.stderr


def test_the_console_is_readable_and_obeys_no_control_characters(programs):
    result = programs.run(
        """
        import vedette
        vedette.configure("shop", log_format="console")
        vedette.get_logger("x").info("a\\x1b[31mred\\r\\nb", key="v w")
        """
    )
    assert "\x1b" not in result.stdout
    assert result.stdout.endswith("INFO     x a\\x1b[31mred\\r\\nb key='v w'\n")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@STEADY
@given(st.text(st.characters(codec=None)), st.dictionaries(st.text(st.characters(codec=None), min_size=1), VALUES))
def test_any_message_and_fields_make_one_line_of_json(message, fields):
    redactor = Redactor(enabled=False)
    record = Captured(10**18, 20, Channel("x", 0, Scope("x", None, None, None)), message, (), fields, None, None, None)
    text = JsonLines("s", redactor).format(record.record())
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line["message"] == message
    assert len(line) == 5 + len(fields) - len({f"{key}_" for key in fields} & set(fields) & {"message_", "level_"})


SECRETS = [
    *["AKIA" + "A" * 16, "eyJabcdef.eyJabcdef.x", "AIza" + "a" * 35, "ghp_" + "a" * 36, "github_pat_" + "a" * 22],
    *["glpat-" + "a" * 20, "xoxb-1234567890", "sk-" + "a" * 20, "rk_live_" + "a" * 16, "sk_test_" + "b" * 16],
    *["-----BEGIN RSA PRIVATE KEY-----", "Bearer abcdefgh", "BASIC abcdefgh", "https://user:pass@host", "api-key: abc"],
    *["pa\u017fsword=abc", "Access_Key='abc'", "TOKEN=abc", "pwd:abcdef", "secret = abc"],
]


@STEADY
@given(st.lists(st.sampled_from([*SECRETS, "order", "=", ":", " ", "@", "://", "sk", "key"]), max_size=6))
def test_the_quick_look_for_secrets_misses_none(parts):
    """Texts without any sign of a secret are not searched; whatever a pattern would find has a sign."""
    redactor = Redactor()
    for joint in ("", " "):
        text = joint.join(parts)
        assert redactor.text(text) == redactor._patterns.sub(redaction._mask, text)


@STEADY
@given(
    st.lists(
        st.sampled_from(
            ["4111111111111111", "1", "/", ".", ",", "-", " ", "orders", "é", "A", "sk-" + "a" * 20, *SECRETS]
        )
    )
)
def test_a_path_that_is_not_searched_has_no_secret(parts):
    text = "".join(parts)
    assert Redactor().text(text) == Redactor()._search(text)


@pytest.mark.parametrize("secret", SECRETS)
def test_each_kind_of_secret_is_masked_alone(secret):
    assert MASK in Redactor().text(f"{secret} ")
