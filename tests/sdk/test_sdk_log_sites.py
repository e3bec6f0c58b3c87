"""Records of calls that come again: what they say is what they would say in full, and nothing of them is collected."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_programs import STEADY

from vedette.sdk import guard
from vedette.sdk.context import fields as context_fields
from vedette.sdk.export.logs import LogStage
from vedette.sdk.logs.line_shapes import Renders
from vedette.sdk.logs.lines import JsonLines
from vedette.sdk.logs.records import Captured, Channel, Site
from vedette.sdk.logs.sites import Sites
from vedette.sdk.otlp.logs import LogEncoder
from vedette.sdk.redaction import MASK, Redactor
from vedette.sdk.resource import Resource, Scope
from vedette.sdk.traces.sampling import Ratio
from vedette.sdk.traces.tracer import TracerProvider

SCALARS = st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5)
SOME = st.dictionaries(st.text(st.characters(codec=None), max_size=3) | st.just("password"), SCALARS, max_size=4)


class _Program:
    """Calls as a program makes them, and the records that come of them."""

    def __init__(self, name="x"):
        self.channel = Channel(name, 0, Scope(name, None, None, None))
        self.sites = Sites()

    def logs(self, message, args=(), fields=None, bound=None, context=None):
        """The record of a call, and the same in full."""
        fields, taken, at = fields or {}, [], 1_700_000_000_000_000_000
        token = context_fields.set(context)
        capture = self.sites.find(self.channel, 20, message, args, fields)
        if capture is not None:
            assert capture(taken.append, at, bound, message, args, fields)
        context_fields.reset(token)
        full = Captured(at, 20, self.channel, message, args, fields, bound, context, None).record()
        return (*taken, full)[0], full


@STEADY
@given(
    st.text(st.characters(codec=None), max_size=5),
    st.lists(SOME, min_size=1, max_size=2),
    SOME,
    SOME | st.text(max_size=3),
    st.data(),
)
def test_a_record_says_the_same_whether_its_site_is_known_or_not(message, several, bound, context, data):
    """A site that has come a few times is compiled; the values that come then may be of other types."""
    args = tuple(data.draw(st.lists(SCALARS, max_size=2)))
    program = _Program("x'{}")
    seen, sent = JsonLines("s'{}", Redactor()), LogEncoder(Redactor(), 100)
    for fields in [*several[:1] * 6, *several, {key: data.draw(SCALARS | st.none()) for key in several[0]}]:
        record, full = program.logs(message, args, fields, bound, context)
        assert seen.format(record) == JsonLines("s'{}", Redactor()).format(full)
        assert sent.encode(record) == LogEncoder(Redactor(), 100).encode(full)


@pytest.mark.parametrize(
    "how", ['log.info("order placed", order_id=n, status="ok")', 'plain.info("order %d placed", n)']
)
def test_what_waits_of_everyday_calls_is_nothing_to_the_garbage_collector(programs, how):
    """Containers that wait would make it run in the middle of requests."""
    result = programs.run(
        f"""
        import gc, logging, sys, vedette
        vedette.configure("shop", process_metrics=False, log_format="none")
        log, plain = vedette.get_logger("shop"), logging.getLogger("shop.plain")
        sys.setswitchinterval(100)  # the background thread does not take them away
        for n in range(100):
            {how}
        gc.disable()
        before = gc.get_count()[0]
        for n in range(1000):
            {how}
        print(gc.get_count()[0] - before)
        """
    )
    assert int(result.stdout) < 20


def test_a_correlation_id_alone_is_masked_where_its_name_is_a_secret():
    program, redactor = _Program(), Redactor(["correlation_id"])
    lines, encoder = JsonLines("s", redactor), LogEncoder(redactor, 100)
    for _ in range(6):
        record, full = program.logs("m", (), {"n": 1}, None, "c-1")
        for shown in (lines.format(record), lines.format(full)):
            assert json.loads(shown)["correlation_id"] == MASK
        assert b"c-1" not in encoder.encode(record) + encoder.encode(full)


def test_times_are_exact_across_seconds():
    channel = Channel("x", 0, Scope("x", None, None, None))
    lines = JsonLines("s", Redactor())
    for at, shown in [
        (1_700_000_000_000_000_999, "2023-11-14T22:13:20.000000Z"),
        (1_700_000_000_999_999_999, "2023-11-14T22:13:20.999999Z"),
        (1_700_000_001_000_001_000, "2023-11-14T22:13:21.000001Z"),
        (1_699_999_999_500_000_000, "2023-11-14T22:13:19.500000Z"),
    ]:
        for record in (
            Captured(at, 20, channel, "m", (), {}, None, None, None).record(),
            (Site(channel, 20, 0, (), ()), at, None, None, None, "m"),
        ):
            assert json.loads(lines.format(record))["timestamp"] == shown


def test_values_that_never_come_again_are_written_and_sent_like_the_first():
    """Nothing is kept of a key any more when so many different values have come."""
    program = _Program()
    lines, encoder = JsonLines("s", Redactor()), LogEncoder(Redactor(), 100)
    for number in [*range(1500), 7, 1 << 40, -1, 1 << 70]:
        fields = {"path": f"/orders/{number}", "note": f"password=hunter{number}", "n": number, "f": number / 3}
        record, full = program.logs("m", (), fields, None, {"id": f"c-{number}"})
        line, message = lines.format(record), encoder.encode(record)
        if number % 100 == 7 or not 0 <= number < 1500:
            assert line == JsonLines("s", Redactor()).format(full)
            assert message == LogEncoder(Redactor(), 100).encode(full)
            assert json.loads(line)["note"] == f"password={MASK}"


class _Kept:
    """A writer that keeps the lines."""

    def __init__(self):
        self.lines = []

    def write(self, text, lines):
        assert text.count("\n") == lines
        self.lines += [f"{line}\n" for line in text.split("\n")[:-1]]  # a text may hold other ends of lines

    def close(self):
        pass


@STEADY
@given(st.data())
def test_records_together_are_written_and_sent_as_each_alone_in_their_order(data):
    """Whatever those of one site share, or do not: time, logger, context, span, names that meet, odd numbers."""
    program, queue, wanted, sent = _Program(), [], [], []
    known = {"n": 1, "f": 0.5, "text": "x"}
    for _ in range(6):
        program.logs("m", (), known)
    contexts, bounds = [None, "c-1", "c-2", {"n": 2}, {"id": 7}], [None, {"user": 1}, {"text": "y"}]
    spans = [None, *map(TracerProvider(Resource({}), Ratio(1)).get_tracer("t").start_span, "ab")]
    at = 1_700_000_000_000_000_000
    for _ in range(data.draw(st.integers(1, 12))):
        at += data.draw(st.sampled_from([-1, 999, 400_000_000, 3_000_000_000]))
        fields = {
            "n": data.draw(st.sampled_from([0, 999, 1000, -1, 10**5000])),
            "f": data.draw(st.floats()),
            "text": data.draw(st.text(max_size=3)),
        }
        bound, context = data.draw(st.sampled_from(bounds)), data.draw(st.sampled_from(contexts))
        record, full = program.logs("m", (), fields, bound, context)
        if data.draw(st.booleans()):
            record = full  # of another site, in between
        span = data.draw(st.sampled_from(spans))
        whole = full[5]._replace(time_ns=at, span=span)
        rest = [whole if part is full[5] else part for part in record[5:]]
        queue.extend((record[0], at, *record[2:4], span, *rest))
        alone = (full[0], at, *full[2:4], span, whole)
        wanted.append(JsonLines("s", Redactor()).format(alone))
        sent.append(LogEncoder(Redactor(), 100).encode(alone))
    writer, items = _Kept(), SimpleNamespace(request=lambda groups: [item for _, some in groups for item in some])
    stage = LogStage(queue, JsonLines("s", Redactor()), writer, LogEncoder(Redactor(), 100), lambda: items, 1)
    stage.step()
    assert writer.lines == wanted
    assert stage.cut() == [(len(sent), sent)]
    assert not queue


def test_a_record_that_cannot_be_written_does_not_cost_the_others():
    def one(record):
        if record[5] == "odd":
            raise RuntimeError("never mind")
        return f"{record[5]}\n"

    def run(records, put):
        for record in records:
            put(one(record))

    channel = Channel("x", 0, Scope("x", None, None, None))
    site, other = Site(channel, 20, 0, (), ()), Site(channel, 30, 0, (), ())
    lines = SimpleNamespace(renders={site: Renders(one, run), other: Renders(one, run)}, format=one, forget=int)
    queue = []
    said = ["odd", "a", "odd", "odd", "b", "c", "odd"]
    for message in said:
        queue.extend((site, 0, None, None, None, message))
    for message in ("odd", "d"):
        queue.extend((other, 0, None, None, None, message))
    before, writer = guard.drops().get(("log lines", "they cannot be formatted"), 0), _Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vedette.sdk.export.logs.fault", lambda *_: None)  # which raises in tests
        LogStage(queue, lines, writer, None, lambda: None, 1).step()
    assert writer.lines == ["a\n", "b\n", "c\n", "d\n"]
    assert guard.drops()["log lines", "they cannot be formatted"] - before == 5
