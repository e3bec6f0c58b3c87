import random
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

DAY_NS = 86_400 * 10**9


def day_of_logs(age_days: int, records: int) -> bytes:
    """Lines that do not compress, `age_days` old."""
    rng = random.Random(age_days)
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for _ in range(records):
        record = scope.log_records.add(time_unix_nano=time.time_ns() - age_days * DAY_NS)
        record.body.string_value = rng.randbytes(200).hex()
    return request.SerializeToString()


def test_the_oldest_days_go_when_a_signal_is_over_its_budget(make_platform):
    platform = make_platform("--logs-budget", "1MB", "--upkeep-interval", "500ms")
    for age in range(6):
        assert platform.otlp("logs", day_of_logs(age, 1000), X_Tenant_ID="acme").status == 200
    dropped = "SELECT sum(count) FROM ledger WHERE reason = 'over_budget' AND signal = 'logs'"
    platform.eventually(f"SELECT (SELECT count() FROM logs) + ({dropped}) = 6000 AND ({dropped}) > 0", 1, "acme")
    kept = platform.sql("SELECT DISTINCT dateDiff('day', toDate(time), today()) AS age FROM logs ORDER BY age", "acme")
    ages = [row["age"] for row in kept]
    assert ages == list(range(len(ages)))
    assert 1 <= len(ages) < 6
