"""Logs in Elasticsearch: over HTTP, by the rules of its bulk API, once each, through outages and refusals."""

from __future__ import annotations

import json
import socket
from collections import Counter

import pytest
from sdk_elasticsearch import Elasticsearch

PROGRAM = """
    import sys, vedette
    vedette.configure("shop", export=False, log_format="none", elasticsearch_url=sys.argv[1], process_metrics=False)
    log = vedette.get_logger("shop.orders")
    with vedette.span("work"):
        for number in range(int(sys.argv[2])):
            log.info("order %s placed", number, number=number, note="a\\nb \\u2028 \\ud800 ünï", api_key="s3cret")
"""

DRAINED = """
    import pathlib, time
    while not vedette.flush() or any(pathlib.Path("spool").rglob("*.otlp")):
        time.sleep(0.05)
"""


@pytest.fixture
def elasticsearch():
    running = Elasticsearch().start()
    yield running
    running.stop()
    assert not running.complaints


def numbers(elasticsearch: Elasticsearch) -> Counter[int]:
    return Counter(document["number"] for document in elasticsearch.documents.values())


def test_the_official_client_finds_the_server_faithful(elasticsearch):
    official = pytest.importorskip("elasticsearch", reason="the official client comes with the extra dev")
    helpers = pytest.importorskip("elasticsearch.helpers")
    with official.Elasticsearch(elasticsearch.url) as client:
        actions = [
            {"_op_type": "create", "_index": "logs-2026.11.21", "_id": str(n % 3), "@timestamp": "2026-11-21T10:00:00Z"}
            for n in range(4)
        ]
        results = list(helpers.streaming_bulk(client, actions, raise_on_error=False))
    assert [ok for ok, _ in results] == [True, True, True, False]
    assert results[-1][1]["create"]["status"] == 409


def test_records_are_documents_of_a_daily_index(programs, elasticsearch):
    programs.run(PROGRAM, f"{elasticsearch.url}?pipeline=shop&refresh=true", "3")
    assert {(query["pipeline"], query["refresh"]) for query in elasticsearch.queries} == {("shop", "true")}
    assert all(query["filter_path"].startswith("errors,") for query in elasticsearch.queries)
    documents = sorted(elasticsearch.documents.items(), key=lambda item: item[1]["number"])
    for number, ((index, _), document) in enumerate(documents):
        assert index == f"vedette-{document['@timestamp'][:10].replace('-', '.')}"
        assert (document["message"], document["number"]) == (f"order {number} placed", number)
        assert (document["level"], document["logger"], document["service"]) == ("info", "shop.orders", "shop")
        assert (document["note"], document["api_key"]) == ("a\nb \u2028 ? ünï", "[redacted]")
        assert len(document["trace_id"]) == 32
    assert len(documents) == 3


def test_a_hundred_records_leave_at_once_and_fewer_with_the_end(programs, elasticsearch):
    process = programs.start(
        PROGRAM + '\n    vedette.get_logger("shop").info("last", number=-1)\n    sys.stdin.readline()',
        elasticsearch.url,
        "100",
    )
    while not elasticsearch.sizes:  # the program waits for us: these left because they were a hundred
        assert process.poll() is None
    assert elasticsearch.sizes[0] >= 100
    process.communicate("\n")
    assert numbers(elasticsearch) == Counter(range(-1, 100))


def test_an_outage_loses_and_doubles_nothing(programs, elasticsearch):
    elasticsearch.status = 503
    told = programs.run(PROGRAM, elasticsearch.url, "250")
    assert "kept on disk and sent later" in told.stderr
    assert elasticsearch.attempts >= 1
    elasticsearch.status = 200
    programs.run(PROGRAM + DRAINED, elasticsearch.url, "0")
    assert numbers(elasticsearch) == Counter(range(250))
    assert elasticsearch.conflicts == 0


def test_what_it_has_taken_is_not_taken_twice_when_its_answer_gets_lost(programs, elasticsearch):
    lost = []

    def answer(method, path, headers, body):
        status, said = Elasticsearch.answer(elasticsearch, method, path, headers, body)
        if not lost:
            lost.append(len(said["items"]))
            return 502, {"error": "the gateway in between lost it"}
        return status, said

    elasticsearch.answer = answer
    programs.run(PROGRAM + DRAINED, elasticsearch.url, "20")
    assert numbers(elasticsearch) == Counter(range(20))
    assert elasticsearch.conflicts == lost[0]


def test_a_refused_document_is_told_and_a_delayed_one_comes_again(programs, elasticsearch):
    delayed: Counter[int] = Counter()

    def decide(document):
        number = document["number"]
        if number == 7:
            return 400
        if number in {3, 5} and not delayed[number]:
            delayed[number] += 1
            return 429
        return 201

    elasticsearch.decide = decide
    told = programs.run(PROGRAM + DRAINED, elasticsearch.url, "10", VEDETTE_COMPRESSION="gzip")
    assert numbers(elasticsearch) == Counter(set(range(10)) - {7})
    assert elasticsearch.conflicts == 0
    assert delayed == {3: 1, 5: 1}
    assert "document_parsing_exception" in told.stderr
    assert "logs for Elasticsearch are being dropped: the endpoint rejected a part" in told.stderr
    assert {headers.get("Content-Encoding") for headers in elasticsearch.headers} == {"gzip"}


def test_credentials_and_the_index_are_as_configured(programs, elasticsearch):
    address = elasticsearch.url.removeprefix("http://")
    programs.run(PROGRAM, f"http://ann:p%40ss@{address}", "1", VEDETTE_ELASTICSEARCH_INDEX="app-%Y")
    programs.run(PROGRAM, elasticsearch.url, "1", VEDETTE_ELASTICSEARCH_API_KEY="a2V5")
    assert [headers["Authorization"] for headers in elasticsearch.headers] == ["Basic YW5uOnBAc3M=", "ApiKey a2V5"]
    assert {len(index) for index, _ in elasticsearch.documents} == {len("app-2026"), len("vedette-2026.11.21")}


def test_with_nothing_listening_the_program_ends_and_keeps_its_records(programs):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    programs.run(PROGRAM, address, "5")
    (batch,) = programs.directory.glob("spool/shop.elasticsearch/*/*.otlp")
    head, *lines = batch.read_bytes().splitlines()
    assert json.loads(head)[1] == 5
    assert [json.loads(line)["number"] for line in lines[1::2]] == [0, 1, 2, 3, 4]
