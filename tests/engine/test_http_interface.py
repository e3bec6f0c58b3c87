"""The embedded engine's HTTP interface, byte by byte where it matters."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import lzma
import socket
import uuid
import zlib
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import zstandard
from lz4 import frame as lz4_frame

from vedette.server.engine.embedded.native import packed, unpacked


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


@pytest.fixture
def ask(shared_engine):
    """Send one request over the socket: `ask(body, method=…, headers=…, **fields of the query string)`."""

    def send(body=None, *, method="POST", headers=None, path="/", **fields):
        connection = UnixConnection(shared_engine.socket)
        connection.request(method, f"{path}?{urlencode(fields)}" if fields else path, body, headers or {})
        response = connection.getresponse()
        response.body = response.read()
        connection.close()
        return response

    return send


@pytest.fixture
def table(ask):
    name = f"h_{uuid.uuid4().hex[:12]}"
    assert ask(f"CREATE TABLE {name} (a UInt64, s String) ENGINE = MergeTree ORDER BY a").status == 200
    yield name
    assert ask(f"DROP TABLE {name} SYNC").status == 200


def test_ping(ask):
    assert ask(method="GET", path="/ping").body == b"Ok.\n"
    assert ask(method="GET", path="/").body == b"Ok.\n"
    assert ask(method="GET", path="/replicas_status").body == b"Ok.\n"


def test_statement_in_query_body_or_both(ask):
    assert ask(method="GET", query="SELECT 1").body == b"1\n"
    assert ask("SELECT 2").body == b"2\n"
    assert ask("3", query="SELECT").body == b"3\n"
    assert ask(gzip.compress(b"SELECT 4"), headers={"Content-Encoding": "gzip"}).body == b"4\n"


def test_headers_of_an_answer(ask):
    answer = ask("SELECT number FROM numbers(3)", query_id="mine", default_format="CSV")
    assert answer.getheader("X-ClickHouse-Query-Id") == "mine"
    assert answer.getheader("X-ClickHouse-Format") == "CSV"
    assert answer.getheader("Content-Type") == "text/csv; charset=UTF-8; header=absent"
    assert answer.getheader("X-ClickHouse-Timezone")
    assert answer.getheader("X-ClickHouse-Server-Display-Name") == "vedette"
    assert len(answer.getheader("X-ClickHouse-Exception-Tag")) == 16


def test_summary_counts_as_text(ask, table):
    written = ask(b"1,a\n2,b\n", query=f"INSERT INTO {table} FORMAT CSV", wait_end_of_query=1)
    assert json.loads(written.getheader("X-ClickHouse-Summary"))["written_rows"] == "2"
    read = json.loads(ask(f"SELECT * FROM {table}", wait_end_of_query=1).getheader("X-ClickHouse-Summary"))
    assert (read["read_rows"], read["result_rows"]) == ("2", "2")


@pytest.mark.parametrize(
    ("fmt", "content_type"),
    [
        ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
        ("JSON", "application/json; charset=UTF-8"),
        ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
        ("XML", "application/xml; charset=UTF-8"),
        ("Native", "application/octet-stream"),
        ("Pretty", "text/plain; charset=UTF-8"),
    ],
)
def test_content_types(ask, fmt, content_type):
    for answer in (
        ask("SELECT 1", default_format=fmt),
        ask(f"SELECT 1 FORMAT {fmt}"),
        ask("SELECT 1", headers={"X-ClickHouse-Format": fmt}),
    ):
        assert answer.getheader("Content-Type") == content_type
        assert answer.getheader("X-ClickHouse-Format") == fmt


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT * FROM nowhere", 404, 60),
        ("SELECT FROM WHERE", 400, 62),
        ("", 400, 62),
        ("  -- nothing\n", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("SELECT nothing", 404, 47),
        ("SELECT 1 SETTINGS nothing = 1", 404, 115),
        ("SELECT toUInt8('x')", 400, 6),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.1", 408, 159),
    ],
)
def test_exceptions(ask, sql, status, code):
    answer = ask(sql)
    assert answer.status == status
    assert answer.getheader("X-ClickHouse-Exception-Code") == str(code)
    assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert b"(version " in answer.body


def test_get_changes_nothing(ask, table):
    answer = ask(method="GET", query=f"INSERT INTO {table} VALUES (1, 'a')")
    assert answer.getheader("X-ClickHouse-Exception-Code") == "164"
    assert ask(method="GET", query="SELECT getSetting('max_threads')", max_threads=1).body == b"1\n"


def test_database_by_field_and_header(ask):
    assert ask("SELECT currentDatabase()", database="system").body == b"system\n"
    assert ask("SELECT currentDatabase()", headers={"X-ClickHouse-Database": "system"}).body == b"system\n"
    answer = ask("SELECT 1", database="no`such")
    assert answer.getheader("X-ClickHouse-Exception-Code") == "81"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("lz4", lz4_frame.compress),
        ("identity", bytes),
    ],
)
def test_compressed_inserts(ask, table, encoding, compress):
    data = b"".join(b"%d\t%s\n" % (n, b"x" * 50) for n in range(50_000))
    cut = len(data) // 2
    cut = data.index(b"\n", cut) + 1
    body = compress(data[:cut]) + compress(data[cut:])  # members may follow each other
    answer = ask(body, query=f"INSERT INTO {table} FORMAT TSV", headers={"Content-Encoding": encoding})
    assert answer.status == 200, answer.body
    assert ask(f"SELECT count(), sum(a) FROM {table}").body == b"50000\t1249975000\n"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_bad_compression_inserts_nothing(ask, table, encoding):
    compress = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress, "lz4": lz4_frame.compress}
    whole = compress[encoding](b"1\tx\n" * 100_000)
    for body in (b"no such thing", whole[: len(whole) // 2]):
        answer = ask(body, query=f"INSERT INTO {table} FORMAT TSV", headers={"Content-Encoding": encoding})
        assert answer.getheader("X-ClickHouse-Exception-Code") == "271", answer.body
        assert encoding.encode() in answer.body
    assert ask(f"SELECT count() FROM {table}").body == b"0\n"


def test_unknown_options_are_refused_by_name(ask, table):
    answer = ask(lzma.compress(b"1\tx\n"), query=f"INSERT INTO {table} FORMAT TSV", headers={"Content-Encoding": "xz"})
    assert (answer.status, b"Content-Encoding 'xz'" in answer.body) == (501, True)
    assert ask("SELECT 1", headers={"Content-Type": "multipart/form-data; boundary=x"}).status == 501
    assert ask("SELECT 1", **{"max threads": "1"}).getheader("X-ClickHouse-Exception-Code") == "115"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_compressed_answers(ask, encoding):
    expand = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
        "lz4": lz4_frame.decompress,
    }
    for count in (3, 300_000):
        answer = ask(
            f"SELECT number FROM numbers({count})", enable_http_compression=1, headers={"Accept-Encoding": encoding}
        )
        assert answer.getheader("Content-Encoding") == encoding
        assert expand[encoding](answer.body) == b"".join(b"%d\n" % n for n in range(count))
    plain = ask("SELECT 1", headers={"Accept-Encoding": encoding})
    assert (plain.getheader("Content-Encoding"), plain.body) == (None, b"1\n")


def test_the_engines_own_files_are_blocks_that_we_can_read(ask, table):
    data = "".join(f"{n},some text that repeats\n" for n in range(100_000))
    assert ask(data, query=f"INSERT INTO {table} FORMAT CSV").status == 200
    path = ask(f"SELECT path FROM system.parts WHERE table = '{table}' AND active").body.decode().strip()
    [file] = [file for file in Path(path).glob("*.bin") if file.name in {"data.bin", "s.bin"}]
    raw = file.read_bytes()
    plain = b"".join(unpacked(raw[at : at + 1000] for at in range(0, len(raw), 1000)))
    assert plain.count(b"some text that repeats") == 100_000


def test_native_compression_of_answers(ask):
    for sql, rows in (("SELECT number FROM numbers(300000)", 300_000), ("SELECT 1", 1)):
        answer = ask(sql, compress=1)
        assert answer.getheader("Content-Encoding") is None
        assert b"".join(unpacked(iter([answer.body]))).count(b"\n") == rows
    assert b"".join(unpacked(iter([ask("SHOW DATABASES", compress=1).body])))
    assert ask("SELECT nothing", compress=1).body.startswith(b"Code: 47")


@pytest.mark.parametrize("damage", [None, "bit", "end", "size", "method"])
def test_native_compression_of_inserts(ask, table, damage):
    body = bytearray(packed(b"".join(b"%d\tx\n" % n for n in range(500_000))))
    if damage == "bit":
        body[1000] ^= 1
    elif damage == "end":
        del body[-10:]
    elif damage == "size":
        body[21:25] = b"\xff\xff\xff\x7f"
    elif damage == "method":
        block = b"\x77" + bytes(body[17:])[:20]
        body = bytearray(body[:16]) + block
    answer = ask(bytes(body), query=f"INSERT INTO {table} FORMAT TSV", decompress=1)
    if damage is None:
        assert answer.status == 200, answer.body
        assert ask(f"SELECT count() FROM {table}").body == b"500000\n"
    else:
        assert answer.getheader("X-ClickHouse-Exception-Code") in {"40", "271", "89"}
        assert ask(f"SELECT count() FROM {table}").body == b"0\n"


def test_an_exception_after_the_beginning_breaks_the_answer_off(shared_engine):
    sql = "SELECT number, throwIf(number = 900000, 'late') FROM numbers(1000000)"
    with shared_engine.connect() as connection:
        path = f"/?{urlencode({'max_block_size': 10000, 'max_threads': 1})}"
        connection.sendall(
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(sql), sql.encode())
        )
        answer = b""
        while chunk := connection.recv(1 << 20):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    tag = next(line.split(b": ")[1] for line in head.splitlines() if line.startswith(b"X-ClickHouse-Exception-Tag"))
    assert head.startswith(b"HTTP/1.1 200")
    assert b"\r\n__exception__\r\n" + tag + b"\r\nCode: 395. DB::Exception: late" in body
    assert body.rstrip().endswith(tag + b"\r\n__exception__")
    assert not body.endswith(b"0\r\n\r\n")


def test_wait_end_of_query_turns_late_exceptions_into_a_status(ask):
    sql = "SELECT number, throwIf(number = 900000, 'late') FROM numbers(1000000)"
    answer = ask(sql, wait_end_of_query=1, max_block_size=10_000)
    assert answer.status == 500
    assert answer.body.startswith(b"Code: 395")
    large = ask("SELECT number, repeat('x', 100) FROM numbers(200000)", wait_end_of_query=1)
    assert large.body.count(b"\n") == 200_000
    assert large.getheader("Content-Length") == str(len(large.body))


def test_who_leaves_in_the_middle_of_an_answer_is_no_fault(ask, shared_engine):
    query_id = uuid.uuid4().hex
    sql = b"SELECT number, sleepEachRow(0.0001) FROM numbers(100000000) SETTINGS max_block_size = 1000"
    with shared_engine.connect() as connection:
        path = f"/?{urlencode({'query_id': query_id})}"
        connection.sendall(
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(sql), sql)
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    while ask(f"SELECT count() FROM system.processes WHERE query_id = '{query_id}'").body != b"0\n":
        pass
    assert "Error handling request" not in shared_engine.log


def test_http_1_0_gets_the_whole_answer(shared_engine):
    with shared_engine.connect() as connection:
        connection.sendall(f"GET /?query={quote('SELECT number FROM numbers(300000)')} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(1 << 20):
            answer += chunk
    assert answer.partition(b"\r\n\r\n")[2].count(b"\n") == 300_000


def test_inserts_with_data_in_the_statement(ask, table):
    assert ask(f"INSERT INTO {table} FORMAT JSONEachRow\n" + '{"a":1,"s":"FORMAT CSV"}\n').status == 200
    assert ask(f"INSERT INTO {table} (a, s) SETTINGS max_insert_block_size = 5 FORMAT TSV\n2\tx;y\n").status == 200
    assert ask(f"INSERT INTO {table} VALUES (3, 'a;b'), (4, 'it''s');").status == 200
    assert ask("(5, 'five')", query=f"INSERT INTO {table} VALUES").status == 200
    assert ask("6\tsix\n", query=f"INSERT INTO {table} FORMAT TSV\n7\tseven\n").status == 200
    large = ",".join(f"({n}, 'v')" for n in range(100, 200_100))
    assert ask(f"INSERT INTO {table} VALUES {large}").status == 200
    assert ask(f"SELECT count(), sum(a) FROM {table}").body == b"200007\t20019900028\n"
    assert ask(f"SELECT s FROM {table} WHERE a IN (1, 2, 3, 4) ORDER BY a").body == b"FORMAT CSV\nx;y\na;b\nit\\'s\n"


def test_a_running_id_cannot_be_used_again(ask, shared_engine):
    query_id = uuid.uuid4().hex
    connection = UnixConnection(shared_engine.socket)
    connection.request("POST", f"/?query_id={query_id}", "SELECT number FROM system.numbers")
    response = connection.getresponse()
    response.read(100_000)
    assert ask("SELECT 1", query_id=query_id).getheader("X-ClickHouse-Exception-Code") == "216"
    connection.sock.close()
    response.close()
    while ask("SELECT 1", query_id=query_id).status != 200:
        pass


def test_sessions(ask):
    session = uuid.uuid4().hex
    assert ask("SELECT 1", session_id=session, session_check=1).getheader("X-ClickHouse-Exception-Code") == "372"
    assert ask("SET max_block_size = 77", session_id=session).status == 200
    assert ask("USE system", session_id=session).status == 200
    sql = "SELECT getSetting('max_block_size'), currentDatabase()"
    assert ask(sql, session_id=session, session_check=1).body == b"77\tsystem\n"
    assert ask(sql).body != b"77\tsystem\n"
    refused = ask("CREATE TEMPORARY TABLE t (a Int8)", session_id=session)
    assert (refused.status, b"Temporary tables" in refused.body) == (501, True)
    assert ask("SELECT 1", session_id=session, close_session=1).status == 200
    assert ask("SELECT 1", session_id=session, session_check=1).getheader("X-ClickHouse-Exception-Code") == "372"


def test_other_paths_and_methods(ask):
    assert ask(method="GET", path="/play").status == 404
    assert ask("SELECT 1", method="PUT").status == 405
    assert ask("SELECT 1", method="DELETE").status == 405


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT file('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT `\\x66ile`('/etc/passwd')",
        "SELECT arrayMap(file, ['/etc/passwd'])",
        "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
        "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
        "SELECT FILE /* */ ('/etc/passwd')",
        "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/x', CSV, 'a String')",
        "SELECT * FROM executable('id', CSV, 'a String')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT 1 INTO OUTFILE '/tmp/vedette-must-not-exist'",
        "SELECT 1 INTO/**/OUTFILE '/tmp/vedette-must-not-exist' FORMAT CSV",
        "SHOW TABLES INTO OUTFILE '/tmp/vedette-must-not-exist'",
        "INSERT INTO FUNCTION file('/tmp/vedette-must-not-exist', CSV, 'a Int8') SELECT 1",
        "CREATE TABLE vedette_must_not_exist (a Int8) ENGINE = Memory",
        "SYSTEM FLUSH LOGS",
        "SELECT 1 SETTINGS readonly = 0",
        "SET readonly = 0",
        "DROP DATABASE system",
    ],
)
def test_readonly_refuses(ask, sql):
    answer = ask(sql, readonly=1)
    assert answer.status >= 400, answer.body
    assert b"root:" not in answer.body
    assert not Path("/tmp/vedette-must-not-exist").exists()  # noqa: S108 - the point


@pytest.mark.parametrize("call", ["url('http://{}/')", "s3('http://{}/bucket/x', CSV)", "remote('{}', system.one)"])
def test_readonly_connects_to_nobody(ask, call):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0)
        source = call.format(f"127.0.0.1:{trap.getsockname()[1]}")
        for sql in (
            f"SELECT * FROM {source}",
            f"DESCRIBE {source}",
            f"DESC TABLE {source}",
            f"EXPLAIN SELECT * FROM {source}",
        ):
            assert ask(sql, readonly=1).getheader("X-ClickHouse-Exception-Code") == "164"
            with pytest.raises(BlockingIOError):
                trap.accept()


def test_files_are_not_written_even_with_rights(ask):
    assert b"INTO OUTFILE is not allowed" in ask("SELECT 1 INTO OUTFILE '/tmp/vedette-must-not-exist'").body
    assert b"FROM INFILE is not allowed" in ask("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV").body


class TestTcp:
    """Who may do what over TCP."""

    @staticmethod
    def ask(process, body, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", process.port)
        connection.request("POST", "/", body, headers or {})
        response = connection.getresponse()
        response.body = response.read()
        connection.close()
        return response

    def test_without_a_password_it_only_reads(self, make_engine):
        process = make_engine().start()
        assert self.ask(process, "SELECT 1").body == b"1\n"
        refused = self.ask(process, "CREATE TABLE t (a Int8) ENGINE = Memory")
        assert refused.getheader("X-ClickHouse-Exception-Code") == "164"

    def test_without_a_password_it_is_closed_to_web_pages(self, make_engine):
        process = make_engine().start()
        assert self.ask(process, "SELECT 1", {"Origin": "http://evil.example"}).status == 403
        assert self.ask(process, "SELECT 1", {"Host": "evil.example:8123"}).status == 403
        assert self.ask(process, "SELECT 1", {"Host": f"localhost:{process.port}"}).status == 200

    def test_a_password_is_asked_for(self, make_engine, tmp_path):
        (tmp_path / "password").write_text("reader:se:cret ü\n")
        process = make_engine("--tcp-password-file", str(tmp_path / "password")).start()
        basic = base64.b64encode("reader:se:cret ü".encode()).decode()
        wrong = base64.b64encode(b"reader:nothing").decode()
        assert self.ask(process, "SELECT 1").status == 401
        assert self.ask(process, "SELECT 1", {"Authorization": f"Basic {wrong}"}).status == 403
        assert self.ask(process, "SELECT 1", {"Authorization": "Basic %%%"}).status == 401
        assert self.ask(process, "SELECT 1", {"Authorization": f"Basic {basic}"}).body == b"1\n"
        assert self.ask(process, "SELECT 1", {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "x"}).status == 403
        assert process.connect().fileno() > 0  # the socket needs none: its mode is the guard
        assert process.socket.stat().st_mode & 0o777 == 0o600
