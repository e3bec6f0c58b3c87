"""What the engine refuses or the disk damages goes to quarantine, with a line in the ledger; everything else is loaded."""

import json
import os
import secrets
import shlex
import subprocess
import sys
import time

import pytest
from engine_door import ask, engine_rows, until
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from vedette.server.ingest.otlp import LOGS, TRACES, from_protobuf
from vedette.server.wal.records import frame


def logs(*bodies: str) -> bytes:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add(time_unix_nano=time.time_ns()).body.string_value = body
    return request.SerializeToString()


def traces(*names: str) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for name in names:
        at = time.time_ns()
        scope.spans.add(name=name, trace_id=os.urandom(16), span_id=os.urandom(8), start_time_unix_nano=at)
    return request.SerializeToString()


def record(tenant: str, body: bytes, signal=LOGS) -> bytes:
    payload = from_protobuf(signal, tenant, body)
    return b"".join(frame(payload.format_code, tenant.encode(), payload.rows, payload.pieces))


def raw_record(code: int, tenant: str, payload: bytes, rows: int = 1) -> bytes:
    return b"".join(frame(code, tenant.encode(), rows, [payload]))


def seal(platform, *records: bytes) -> str:
    """Put a segment into the log, as if the server had just sealed it. Returns its identity."""
    identity = f"9999999999-{secrets.token_hex(4)}"
    content = b"".join(records)
    folder = platform.data_dir / "wal"
    (folder / "by-hand").write_bytes(content)
    (folder / "by-hand").rename(folder / f"{identity}-{len(content)}.wal")
    return identity


def quarantined(platform, identity: str) -> dict[str, dict[str, object]]:
    """The notes of what of a segment is in quarantine, by the part of the name that says what it is."""
    folder = platform.data_dir / "wal" / "quarantine"
    return {
        path.stem.removeprefix(identity + "-").rpartition("-")[0]: json.loads(path.read_text()) | {"stem": path.stem}
        for path in folder.glob(f"{identity}-*.json")
    }


def ledger(platform, tenant: str) -> list[dict[str, object]]:
    return ask(platform, f"SELECT signal, reason, count, bytes FROM ledger WHERE tenant = '{tenant}' ORDER BY ALL")


def test_what_cannot_be_loaded_is_set_aside_and_the_rest_is_loaded(shared_platform):
    garbage = raw_record(LOGS.protobuf_code, "garbage", b"\xff" * 40, rows=3)
    flipped = bytearray(record("flipped", logs("lost")))
    flipped[-20] ^= 0x10
    good = [record("mended", logs(f"good {i}")) for i in range(5)]
    unknown = raw_record(99, "future", b"anything", rows=2)
    identity = seal(shared_platform, good[0], garbage, good[1], bytes(flipped), good[2], unknown, *good[3:])

    until(shared_platform, "SELECT count() FROM logs WHERE tenant = 'mended'", 5)
    until(shared_platform, "SELECT count() FROM ledger WHERE tenant IN ('garbage', 'future')", 2)
    assert ask(shared_platform, "SELECT uniqExact(body) AS n FROM logs WHERE tenant = 'mended'") == [{"n": 5}]
    assert ledger(shared_platform, "garbage") == [
        {"signal": "logs", "reason": "refused_by_engine", "count": 3, "bytes": 40}
    ]
    assert ledger(shared_platform, "future") == [
        {"signal": "format99", "reason": "refused_by_engine", "count": 2, "bytes": 8}
    ]
    damage = f"SELECT bytes FROM ledger WHERE reason = 'damaged_on_disk' AND detail LIKE '%{identity}%'"
    until(shared_platform, damage, len(flipped))

    notes = quarantined(shared_platform, identity)
    assert set(notes) == {"otlp_logs", "format99", "damaged"}
    assert "Protobuf" in str(notes["otlp_logs"]["reason"])
    assert "wire format 99 is unknown" in str(notes["format99"]["reason"])
    folder = shared_platform.data_dir / "wal" / "quarantine"
    assert (folder / f"{notes['otlp_logs']['stem']}.rec").read_bytes() == garbage
    assert (folder / f"{notes['damaged']['stem']}.rec").read_bytes() == bytes(flipped)
    assert shared_platform.request("/readyz").status == 200
    # The tenant finds it in its own ledger.
    lines = shared_platform.request("/api/v1/ledger", headers={"X-Scope-OrgID": "garbage"})
    assert b"refused_by_engine" in lines.body


@pytest.mark.parametrize(
    ("what", "odd"),
    [
        ("a oneof set twice", b"\x0a\x06s\x12\x02\x10\x01"),
        ("a bool that is 2", b"\x10\x02"),
        ("an unknown group", b"\x0a\x01x\x9b\x01\x08\x01\x9c\x01"),
        ("a known field as a varint", b"\x08\x05\x0a\x01x"),
        ("a known field as a group", b"\x0b\x0c\x0a\x01x"),
    ],
)
def test_what_protobuf_takes_and_the_engine_does_not_is_loaded_all_the_same(shared_platform, what, odd):
    """The body of a log record is an AnyValue, into which these bytes go."""
    tenant = "odd-" + what.replace(" ", "-")
    value = odd if what != "a oneof set twice" else b"\x0a\x01s\x10\x01"
    log_record = b"\x2a" + bytes((len(value),)) + value
    scope = b"\x12" + bytes((len(log_record),)) + log_record
    resource = b"\x12" + bytes((len(scope),)) + scope
    body = b"\x0a" + bytes((len(resource),)) + resource
    assert ExportLogsServiceRequest.FromString(body)
    assert shared_platform.otlp("logs", body, X_Tenant_ID=tenant).status == 200
    until(shared_platform, f"SELECT count() FROM logs WHERE tenant = '{tenant}'", 1)
    assert ledger(shared_platform, tenant) == []


def test_numbers_past_their_width_are_loaded_as_protobuf_reads_them(shared_platform):
    span = b"\x2a\x01n" + b"\x30" + b"\x80\x80\x80\x80\x10" + b"\x50\x81\x80\x80\x80\x10"  # kind 2^32, dropped 2^32+1
    scope = b"\x12" + bytes((len(span),)) + span
    resource = b"\x12" + bytes((len(scope),)) + scope
    body = b"\x0a" + bytes((len(resource),)) + resource
    assert shared_platform.otlp("traces", body, X_Tenant_ID="wide").status == 200
    until(shared_platform, "SELECT count() FROM spans WHERE tenant = 'wide'", 1)
    assert ask(shared_platform, "SELECT kind, dropped_attributes AS d FROM spans WHERE tenant = 'wide'") == [
        {"kind": "unspecified", "d": 1}
    ]


def test_nested_values_and_plain_ones_in_turns(shared_platform):
    """The short form refuses nested values; whatever came before, each record is in the tables once."""
    for number in range(6):
        request = ExportLogsServiceRequest.FromString(logs(f"line {number}"))
        if number % 3 != 1:
            value = request.resource_logs[0].scope_logs[0].log_records[0].attributes.add(key="list").value
            value.kvlist_value.values.add(key="n").value.int_value = number
        assert shared_platform.otlp("logs", request.SerializeToString(), X_Tenant_ID="turns").status == 200
        until(shared_platform, "SELECT count() FROM logs WHERE tenant = 'turns'", number + 1)
    rows = ask(
        shared_platform, "SELECT body, attributes['list'] AS list FROM logs WHERE tenant = 'turns' ORDER BY body"
    )
    lists = ['{"n":0}', "", '{"n":2}', '{"n":3}', "", '{"n":5}']
    assert rows == [{"body": f"line {number}", "list": value} for number, value in enumerate(lists)]
    assert ledger(shared_platform, "turns") == []


def move_back(platform, note: dict[str, object]) -> None:
    folder = platform.data_dir / "wal"
    (folder / "quarantine" / f"{note['stem']}.rec").rename(folder / str(note["move_back_as"]))


@pytest.fixture(scope="module")
def house(new_platform, tmp_path_factory):
    """A platform whose tables and processes may be harmed."""
    platform = new_platform(tmp_path_factory.mktemp("refusals") / "data").start()
    yield platform
    platform.stop()


def test_a_record_whose_cause_is_gone_is_loaded_by_moving_it_back(house):
    platform = house
    ask(platform, "ALTER TABLE vedette.logs ADD CONSTRAINT refused CHECK body != 'poison'")
    identity = seal(platform, *(record("a", logs(body)) for body in ("one", "poison", "two", "three")))
    until(platform, "SELECT count() FROM ledger WHERE reason = 'refused_by_engine'", 1)
    until(platform, "SELECT count() FROM logs", 3)
    ask(platform, "ALTER TABLE vedette.logs DROP CONSTRAINT refused")
    # The doctor names what is there, and the command that brings it back.
    command = [sys.executable, "-m", "vedette.cli.main", "doctor", "--json", "--data-dir", str(platform.data_dir)]
    told = subprocess.run([*command, "--url", platform.url], capture_output=True, text=True, check=False)
    assert told.returncode == 1, told.stderr
    findings = {finding["text"]: finding for finding in json.loads(told.stdout)}
    (kept,) = (finding for text, finding in findings.items() if text.startswith("In quarantine: "))
    assert identity in kept["text"]
    assert kept["level"] == "bad"
    assert findings[f"The platform answers at {platform.url}."]["level"] == "ok"
    assert findings["It is ready: engine, tables, log and replay."]["level"] == "ok"
    # Its tenant's ledger has a line; the doctor's own has none.
    assert findings["Nothing was refused or dropped in the last 24 hours."]["level"] == "ok"
    move = shlex.split(kept["advice"].removeprefix("Once the cause is gone: ").partition(" loads it.")[0])
    assert move[0] == "mv"
    subprocess.run(move, check=True)
    until(platform, "SELECT arraySort(groupArray(body)) FROM logs", ["one", "poison", "three", "two"])


def test_an_insert_that_stopped_half_way_is_completed_and_not_doubled_by_moving_it_back(house):
    """A rollup refuses after the spans are stored: nothing is inserted under another token, and nothing twice."""
    platform = house
    ask(platform, "ALTER TABLE vedette.red_minute ADD CONSTRAINT refused CHECK name != 'poison'")
    identity = seal(platform, *(record("half", traces(name), TRACES) for name in ("one", "poison", "two", "three")))
    until(platform, "SELECT sum(count) FROM ledger WHERE reason = 'refused_by_engine' AND tenant = 'half'", 4)
    note = quarantined(platform, identity)["otlp_traces"]
    assert "moved back, only the missing ones are added" in str(note["reason"])
    # Meanwhile the platform goes on.
    assert platform.otlp("traces", traces("later"), X_Tenant_ID="half").status == 200
    until(platform, "SELECT count() FROM red_minute WHERE name = 'later'", 1)
    ask(platform, "ALTER TABLE vedette.red_minute DROP CONSTRAINT refused")
    move_back(platform, note)
    until(platform, "SELECT sum(count) FROM red_minute", 5)
    assert engine_rows(platform, "spans") == 5
    assert ask(platform, "SELECT sum(span_count) AS n FROM trace_index") == [{"n": 5}]


def test_segments_that_pile_up_are_loaded_together_and_once(house):
    """The worker dies again and again while it catches up; groups are repeated as they were."""
    platform, before = house, engine_rows(house, "logs")
    engine = platform.child("engine")
    os.kill(engine, 19)
    for i in range(60):
        seal(platform, record("piled", logs(f"line {i}")))
    os.kill(engine, 18)
    for _ in range(5):
        platform.kill("worker")
        time.sleep(0.3)
    until(platform, "SELECT uniqExact(body) FROM logs WHERE tenant = 'piled'", 60)
    while any(path.suffix == ".wal" for path in (platform.data_dir / "wal").iterdir()):
        time.sleep(0.05)
    assert engine_rows(platform, "logs") == before + 60
    assert not (platform.data_dir / "wal" / "group.json").exists()
