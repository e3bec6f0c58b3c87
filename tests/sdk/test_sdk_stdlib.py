"""The standard library's logging beside us: its records, and handlers of the program's own."""

from __future__ import annotations

import json


def test_records_of_the_standard_library_have_all_that_they_had(programs):
    """Handlers of the program's own see what they would see without us, in threads, tasks and exceptions too."""
    result = programs.run(
        """
        import asyncio, logging, multiprocessing, sys, threading, vedette
        seen = []
        class Keeps(logging.Handler):
            def emit(self, record): seen.append(dict(record.__dict__, text=record.getMessage()))
        logging.getLogger().addHandler(Keeps())
        logging.addLevelName(25, "NOTICE")
        log = logging.getLogger("a.b"); log.setLevel(10)
        def say():
            for number in range(3):
                log.warning("%s of %d", number, 3, extra={"own": number}, stack_info=number == 2)
            log.log(25, "mapped %(a)s", {"a": 1}); log.error("plain 100%")
            try: 1 / 0
            except ZeroDivisionError: log.exception("failed")
        async def tell(): asyncio.current_task().set_name("teller"); say()
        def round():
            say(); asyncio.run(tell())
            thread = threading.Thread(target=say, name="other"); thread.start(); thread.join()
            logging.logThreads = False; log.warning("without threads"); logging.logThreads = True
        round(); vedette.configure("x", export=False, log_format="none"); round(); round()
        kind = logging.getLogRecordFactory()
        vedette.shutdown(); assert logging.getLogRecordFactory() is logging.LogRecord is not kind
        each = len(seen) // 3
        changing = {"created", "msecs", "relativeCreated", "thread", "stack_info", "exc_info"}
        for own, *ours in zip(*(seen[at:at + each] for at in range(0, 3 * each, each))):
            for record in ours:
                assert [(key, type(value)) for key, value in record.items()] == [
                    (key, type(value)) for key, value in own.items()], (record, own)
                for key in own.keys() - changing: assert record[key] == own[key], (key, record, own)
                assert 0 <= record["msecs"] < 1000 and record["relativeCreated"] > own["relativeCreated"] > 0
                assert abs(record["created"] - own["created"]) < 600
        print(each)
        """
    )
    assert result.stdout == "19\n"


def test_a_forked_process_logs_under_its_own_number(programs):
    result = programs.run(
        """
        import logging, os, vedette
        seen = []
        class Keeps(logging.Handler):
            def emit(self, record): seen.append((record.process, record.threadName))
        logging.getLogger().addHandler(Keeps())
        vedette.configure("x", export=False, log_format="none")
        for turn in range(2):
            child = os.fork() if turn else 0
            for _ in range(3): logging.getLogger("a").warning("m")
            assert set(seen) == {(os.getpid(), "MainThread")}, seen
            seen.clear()
        if not child: os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert result.stdout == "0\n"


def test_our_records_reach_handlers_of_the_programs_own(programs):
    """Each handler sees each record once, whichever way it came, at its own level, with secrets masked."""
    result = programs.run(
        """
        import logging, sys, vedette
        class Shows(logging.Handler):
            def emit(self, record):
                own = {key: record.__dict__.get(key) for key in ("order", "api_key", "user", "request") if key in record.__dict__}
                print(record.name, record.levelname, record.getMessage(), own, record.funcName, flush=True)
                if record.exc_info: print(self.format(record).splitlines()[-1], flush=True)
                vedette.get_logger("inside").info("a handler that logs")
        class Fails(logging.Handler):
            def emit(self, record): raise OSError("full")
        everything, errors = Shows(), Shows(logging.ERROR)
        logging.getLogger().addHandler(everything); logging.getLogger("shop").addHandler(errors)
        logging.getLogger("quiet").propagate = False
        vedette.configure("shop", export=False, log_format="none", log_to_stdlib=True, log_level="info")
        log = vedette.get_logger("shop.orders").with_context(user=7)
        def work():
            with vedette.context(request="r-1"):
                log.info("paid with password=hunter2-secret %d%%", 100, order=1, api_key="hunter2-secret", name="taken")
            log.debug("too fine")
            logging.getLogger("shop.old").info("theirs")
            try: 1 / 0
            except ZeroDivisionError: log.exception("failed")
        work()
        vedette.get_logger("quiet").error("nobody sees it")
        logging.getLogger().addHandler(Fails())
        vedette.get_logger("other").info("goes on")
        """
    )
    first = "{'order': 1, 'api_key': '[redacted]', 'user': 7, 'request': 'r-1'} work"
    assert [line for line in result.stdout.splitlines() if not line.startswith("inside")] == [
        f"shop.orders INFO paid with password=[redacted] 100% {first}",
        "shop.old INFO theirs {} work",
        *["shop.orders ERROR failed {'user': 7} work", "ZeroDivisionError: division by zero"] * 2,
        "other INFO goes on {} <module>",
    ]
    assert "OSError: full" in result.stderr


def test_stack_info_is_the_way_to_the_call(programs):
    result = programs.run(
        """
        import logging
        import vedette
        vedette.configure("stacks", log_format="json", process_metrics=False)
        log, std = vedette.get_logger("own"), logging.getLogger("std")
        def inner(**more):
            std.warning("std", **more)
            log.warning("own", **more)
        for _ in range(20): inner()
        inner(stack_info=True)
        inner(stack_info=False)
        """
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    stacks = [line["stack_info"] for line in lines if "stack_info" in line]
    assert len(stacks) == 2
    for stack in stacks:
        assert stack.startswith("Stack (most recent call last):\n")
        last = stack.splitlines()[-2:]
        assert "in inner" in last[0]
        assert last[1].strip().endswith('warning("%s", **more)' % ("std" if "std." in last[1] else "own"))


def test_a_message_that_has_no_text_is_a_line_all_the_same(programs):
    result = programs.run(
        """
        import logging
        import vedette
        vedette.configure("odd", log_format="json", process_metrics=False)
        class Odd:
            def __str__(self): raise RuntimeError("no text")
            __repr__ = __str__
        log = logging.getLogger("odd")
        log.warning(Odd())
        log.warning("of %s", Odd())
        log.warning("of %d", "x")
        """
    )
    messages = [json.loads(line)["message"] for line in result.stdout.splitlines()]
    assert messages == ["<Odd>", "of %s <tuple>", "of %d ('x',)"]
    assert result.stderr == ""
