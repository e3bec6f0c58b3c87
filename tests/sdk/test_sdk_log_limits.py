"""How often one message is logged: the limit, the sample of what is beyond it, and what is said of the rest."""

from __future__ import annotations

import json
import subprocess
from typing import Any


def lines_of(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_repeated_message_is_limited_and_the_rest_counted(programs):
    result = programs.run(
        """
        import time, vedette
        vedette.configure("shop", log_rate=3)
        log = vedette.get_logger("x")
        for number in range(50):
            log.error("again", number=number)
        log.error("other")
        time.sleep(1.1)
        log.error("again", number=50)
        """
    )
    lines = lines_of(result)
    assert [line["message"] for line in lines] == ["again", "again", "again", "other", "again", "again"]
    assert lines[4]["suppressed"] == 47


def test_of_what_is_beyond_the_limit_a_sample_is_logged(programs):
    result = programs.run(
        """
        import vedette
        vedette.configure("shop", log_rate=1_000_000, log_sample=10)
        vedette.get_logger("x").info("below the limit")
        vedette.configure("shop", log_rate=3, log_sample=1000)
        for number in range(5003): vedette.get_logger("x").error("again", number=number)
        """
    )
    numbers = [line["number"] for line in lines_of(result) if "number" in line]
    assert numbers[:3] == [0, 1, 2]
    assert 5 <= len(numbers) <= 3 * 60  # a slow machine begins another second, and three more are let through
    assert 1002 in numbers


def test_the_standard_librarys_records_of_a_message_open_no_way_round_the_limit(programs):
    result = programs.run(
        """
        import logging, vedette
        vedette.configure("shop", log_rate=2, export=False, log_format="json")
        for _ in range(10):
            logging.getLogger("a").warning("tick")
        for _ in range(50):
            vedette.get_logger("a").warning("tick")
        vedette.shutdown()
        """
    )
    assert len(result.stdout.splitlines()) < 10 + 50


def test_records_of_thousands_of_fields_hold_nothing_up(programs):
    result = programs.run(
        """
        import vedette
        vedette.configure("shop", export=False, log_format="json")
        wide = {f"field{number}": number for number in range(11_000)}
        for _ in range(8): vedette.get_logger("x").info("wide", **wide)
        vedette.get_logger("x").info("after")
        vedette.shutdown()
        """
    )
    lines = lines_of(result)
    assert [line["message"] for line in lines] == ["wide"] * 8 + ["after"]
    assert lines[-2]["field10999"] == 10_999
