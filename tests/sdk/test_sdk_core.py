"""What `configure` finds and follows, and where the SDK runs: variables, resource, compression, interpreters."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from sdk_programs import Collector, Programs, attributes_of, value_of

from vedette.errors import SettingsError
from vedette.sdk import resource
from vedette.sdk.logs.lines import ConsoleLines, JsonLines
from vedette.sdk.logs.logger import get_logger
from vedette.sdk.logs.setup import lines_of
from vedette.sdk.metrics.registry import Registry
from vedette.sdk.redaction import Redactor
from vedette.sdk.settings import Settings, load
from vedette.server.settings import setting_names


def test_the_resource_says_what_runs_where(programs, collector):
    """Arguments win over `OTEL_RESOURCE_ATTRIBUTES`, which wins over what is found."""
    git = programs.directory / ".git"
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack-refs\nc0ffee refs/heads/other\ndecade refs/heads/main\n")
    programs.run(
        """
        import vedette
        vedette.configure("shop", version="1.2", environment="staging", resource={"team": "cash"}, log_format="none")
        with vedette.span("x"): pass
        """,
        OTEL_RESOURCE_ATTRIBUTES="team=other,host.name=a%20host,service.version=0,region=north",
        KUBERNETES_SERVICE_HOST="10.0.0.1",
        POD_NAME="shop-7",
        POD_NAMESPACE="prod",
    )
    found = attributes_of(collector.resources("/v1/traces")[0].resource)
    assert (found["service.name"], found["service.version"], found["deployment.environment.name"]) == (
        "shop",
        "1.2",
        "staging",
    )
    assert (found["team"], found["host.name"], found["region"]) == ("cash", "a host", "north")
    assert found["vcs.ref.head.revision"] == "decade"
    assert (found["k8s.pod.name"], found["k8s.namespace.name"]) == ("shop-7", "prod")
    assert found["process.runtime.version"] == sys.version.split()[0]
    assert {"process.pid", "service.instance.id", "host.arch", "os.type", "telemetry.sdk.name"} <= found.keys()


def test_the_commit_of_a_worktree_is_found_where_git_keeps_it(tmp_path, monkeypatch):
    own, shared = tmp_path / "repo" / ".git" / "worktrees" / "one", tmp_path / "repo" / ".git"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/branch\n")
    (own / "commondir").write_text("../..\n")
    (shared / "refs" / "heads").mkdir(parents=True)
    (shared / "refs" / "heads" / "branch").write_text("abad1dea\n")
    work = tmp_path / "work" / "package"
    work.mkdir(parents=True)
    (work.parent / ".git").write_text(f"gitdir: {own}\n")
    monkeypatch.chdir(work)
    assert resource._git_commit() == "abad1dea"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/proc/self/cgroup", "12:pids:/docker/ID\n"),
        ("/proc/self/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope\n"),
        ("/proc/self/mountinfo", "1 2 8:1 /var/lib/docker/containers/ID/hostname /etc/hostname rw - ext4 /dev/sda1\n"),
    ],
)
def test_a_container_is_known_by_its_id(monkeypatch, path, text):
    known = "4f" * 32
    monkeypatch.setattr(resource, "_read", lambda asked: text.replace("ID", known) if str(asked) == path else "")
    assert resource._container_id() == known


def test_opentelemetrys_variables_are_followed_where_ours_are_silent(programs, collector):
    result = programs.run(
        """
        import vedette
        vedette.configure(log_format="none")
        vedette.get_logger("app").error("not sent")
        with vedette.span("sent"): pass
        """,
        VEDETTE_ENDPOINT="",
        OTEL_SERVICE_NAME="theirs",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert result.stderr == ""
    ((path, headers, _),) = collector.requests
    assert (path, headers["x-key"], headers["Content-Encoding"]) == ("/v1/traces", "a b", "gzip")
    assert attributes_of(collector.resources("/v1/traces")[0].resource)["service.name"] == "theirs"


def test_a_misspelt_variable_is_told_once_with_the_nearest_name(programs):
    """The platform's own variables, Kubernetes' and anybody else's are none of the SDK's business."""
    others = {f"VEDETTE_{name.upper()}": "x" for name in setting_names().keys() - Settings.__dataclass_fields__.keys()}
    links = {"VEDETTE_PORT": "tcp://10.0.0.7:4318", "VEDETTE_SERVICE_HOST": "10.0.0.7", "VEDETTE_SERVICE_PORT": "4318"}
    told = programs.run(
        """
        import os, sys, vedette
        vedette.configure("misspelt", log_format="none")
        vedette.configure("misspelt", log_format="none")
        sys.stderr.flush()
        child = os.fork()
        if not child:
            vedette.configure("misspelt", log_format="none")
            os._exit(0)
        os.waitpid(child, 0)
        """,
        VEDETTE_ENDPONT="http://collector:4318",
        VEDETTE_SERVICE_NAME="shop",
        VEDETTE_OTLP_ENDPOINT="http://collector:4318",
        VEDETTE_URL="http://127.0.0.1:7070",
        PYTHONWARNINGS="ignore::DeprecationWarning",  # Python's own, of a fork beside threads
        **others,
        **links,
    ).stderr
    assert told.splitlines() == [
        "vedette: VEDETTE_ENDPONT is no setting; did you mean VEDETTE_ENDPOINT?",
        "vedette: VEDETTE_OTLP_ENDPOINT is no setting; did you mean VEDETTE_ENDPOINT?",
        "vedette: VEDETTE_SERVICE_NAME is no setting; did you mean VEDETTE_SERVICE?",
    ]


def test_signals_go_where_their_own_variables_say_and_no_key_goes_along(programs, collector):
    elsewhere = Collector().start()
    programs.run(
        """
        import vedette
        vedette.configure("split", api_key="ours-alone", log_format="none", process_metrics=False,
                          metrics_interval_seconds=3600, endpoints={"metrics": vedette_endpoint})
        with vedette.span("apart"): vedette.get_logger("app").info("together")
        vedette.counter("counted_total").inc()
        """.replace("vedette_endpoint", repr(f"{collector.url}/v1/metrics")),
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{elsewhere.url}/v1/traces",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="x-team=shop",
        OTEL_EXPORTER_OTLP_HEADERS="x-all=yes",
    )
    elsewhere.stop()
    ((path, headers, _),) = elsewhere.requests
    assert (path, headers["x-team"], elsewhere.names()) == ("/v1/traces", "shop", ["apart"])
    assert not {"Authorization", "x-all"} & headers.keys()
    assert {path for path, _, _ in collector.requests} == {"/v1/logs", "/v1/metrics"}
    assert {headers["Authorization"] for _, headers, _ in collector.requests} == {"Bearer ours-alone"}
    with pytest.raises(SettingsError, match="endpoints: 'spans' is no signal"):
        load("x", {"endpoints": {"spans": "http://x"}})
    with pytest.raises(SettingsError, match="traces 'nowhere' is no URL"):
        load("x", {"endpoints": {"traces": "nowhere"}})


def test_spans_on_the_console_alone_by_opentelemetrys_variable(programs, collector):
    result = programs.run(
        "import vedette\nvedette.configure('c', log_format='none', process_metrics=False)\nwith vedette.span('shown'): pass",
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="prometheus",
    )
    assert "shown" in result.stderr
    assert collector.requests == []


def certified(directory: Path) -> ssl.SSLContext:
    """An authority, and a server and a client with its certificates, as files; the server's context asks for them."""

    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    new = ["req", "-newkey", "rsa:2048", "-nodes"]
    may = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]  # Python 3.13 holds authorities to the standard
    run(*new, "-x509", "-subj", "/CN=authority", *may, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    for name in ("server", "client"):
        run(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2"]
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(directory / "ca.pem"))
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_both_sides_show_their_certificates(tmp_path):
    """One whose certificate nobody vouches for gets nothing: it is an outage, and told."""
    guarded = Collector(tls=certified(tmp_path)).start()
    programs = Programs(tmp_path, guarded.url)
    span = "import vedette\nvedette.configure('tls', log_format='none', process_metrics=False)\nwith vedette.span('safe'): pass"
    told = programs.run(span, VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="5").stderr
    assert "CERTIFICATE_VERIFY_FAILED" in told
    assert guarded.requests == []
    trusted = {"OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem"}
    shown = {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "client.pem", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "client.key"}
    programs.run(span, VEDETTE_SPOOL_DIR="off", **trusted, **shown)
    guarded.stop()
    assert guarded.names() == ["safe"]


@pytest.mark.parametrize(
    ("variable", "text", "setting", "value"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5", "timeout_seconds", 5),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000", "timeout_seconds", 5),
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000", "metrics_interval_seconds", 60),
        ("OTEL_BSP_SCHEDULE_DELAY", "250", "export_interval_seconds", 0.25),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "99", "queue_size", 99),
        ("OTEL_PROPAGATORS", "b3,jaeger", "propagators", ("b3", "jaeger")),
        ("OTEL_SDK_DISABLED", "true", "enabled", False),
    ],
)
def test_a_variable_of_opentelemetry_means_what_it_means_there(monkeypatch, variable, text, setting, value):
    monkeypatch.setenv(variable, text)
    assert getattr(load("x", {}), setting) == value


def test_what_is_no_number_is_refused_by_a_sentence(monkeypatch):
    with pytest.raises(
        SettingsError, match=r"configure\(log_rotate_bytes='1MB'\) cannot be used: use a whole number\."
    ):
        load("x", {"log_rotate_bytes": "1MB"})  # type: ignore[typeddict-item]
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5s")
    with pytest.raises(SettingsError, match=r"OTEL_BSP_SCHEDULE_DELAY='5s' cannot be used: use a number\."):
        load("x", {})


def test_wrong_signals_and_certificates_are_named():
    with pytest.raises(SettingsError, match="use traces, logs and metrics"):
        load("x", {"signals": "spans"})
    with pytest.raises(SettingsError, match=r"certificate: there is no file '/no/such\.pem'"):
        load("x", {"certificate": "/no/such.pem"})


@pytest.mark.parametrize(
    ("environment", "form", "kind"),
    [
        ("production", "auto", JsonLines),
        ("development", "auto", ConsoleLines),
        ("development", "json", JsonLines),
        ("elsewhere", "auto", JsonLines),  # under pytest there is no terminal
    ],
)
def test_lines_are_as_the_environment_asks_unless_they_are_chosen(environment, form, kind):
    settings = load("x", {"environment": environment, "log_format": form})
    assert isinstance(lines_of(settings, "x", Redactor()), kind)


def test_each_compression_and_the_console(programs, collector):
    result = programs.run(
        """
        import vedette
        for how in ("gzip", "zstd", "none"):
            vedette.configure("squeezed", compression=how, console=how == "none", log_format="none",
                              process_metrics=False)
            with vedette.span(f"by {how}", note="a\\x1b[31mb"): pass
            vedette.shutdown()
        """
    )
    encodings = {
        message.resource_spans[0].scope_spans[0].spans[0].name: headers.get("Content-Encoding")
        for path, headers, message in collector.requests
        if path == "/v1/traces"
    }
    assert encodings == {"by gzip": "gzip", "by zstd": "zstd", "by none": None}
    assert "by none" in result.stderr
    assert "by gzip" not in result.stderr
    assert "note='a\\x1b[31mb'" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_short_program_ends_in_silence_where_no_thread_can_begin_any_more(programs, collector):
    """Python 3.12 and later begin none while a program ends, when the first batch is there to be sent."""
    result = programs.run(
        """
        import atexit, threading, vedette
        vedette.configure("short", log_format="none", process_metrics=False)
        def refuse(thread):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        atexit.register(setattr, threading.Thread, "start", refuse)  # before the SDK's own
        with vedette.span("only"): pass
        """
    )
    assert (result.stderr, collector.names()) == ("", ["only"])


INSIDE = """
import vedette
vedette.configure("KIND", log_format="none", audit_file="KIND.jsonl", process_metrics=False)
with vedette.span("in KIND"):
    vedette.get_logger("app").info("said in KIND")
vedette.counter("counted_total").inc()
vedette.audit("done")
"""


IN_ITS_OWN_INTERPRETER = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters
else:
    import _xxsubinterpreters
    if sys.version_info < (3, 12):
        import _testcapi
def in_its_own_interpreter(text, isolated):
    if sys.version_info >= (3, 13):
        made = _interpreters.create("isolated" if isolated else "legacy")
        failed = _interpreters.exec(made, text)
        assert failed is None, failed
        _interpreters.destroy(made)
    elif sys.version_info >= (3, 12) or isolated:
        made = _xxsubinterpreters.create(isolated=isolated)
        _xxsubinterpreters.run_string(made, text)
        _xxsubinterpreters.destroy(made)
    else:
        assert _testcapi.run_in_subinterp(text) == 0
"""


def test_subinterpreters_deliver_their_own_and_end(programs, collector):
    """Those that share the interpreter's lock (as of mod_wsgi) have threads, isolated ones have none."""
    if sys.version_info < (3, 12):
        pytest.importorskip("_testcapi")
    programs.run(
        IN_ITS_OWN_INTERPRETER
        + f"""
inside = {INSIDE!r}
import vedette
vedette.configure("main", log_format="none", process_metrics=False)
for kind in ("first", "second"):
    in_its_own_interpreter(inside.replace("KIND", kind), isolated=False)
flushed = "assert vedette.flush()\\nvedette.shutdown()"
in_its_own_interpreter(inside.replace("KIND", "isolated") + flushed, isolated=True)
with vedette.span("in main"): pass
"""
    )
    kinds = ("first", "second", "isolated")
    assert collector.names() == sorted([f"in {kind}" for kind in (*kinds, "main")])
    said = [value_of(record.body) for record in collector.logs]
    assert sorted(text for text in said if "said" in text) == sorted(f"said in {kind}" for kind in kinds)
    assert said.count("done: success") == 3
    counted = {
        attributes_of(held.resource)["service.name"]
        for held in collector.resources("/v1/metrics")
        if "counted_total" in str(held)
    }
    assert counted == set(kinds)


def test_without_the_interpreters_lock_counts_go_to_cells_of_the_threads(programs):
    """A tick of `itertools.count` is atomic only under the lock. A free-threaded build says so by this function."""
    result = programs.run(
        """
        import sys, threading
        sys._is_gil_enabled = lambda: False
        import vedette
        vedette.configure("free", export=False, log_format="none")
        counter, gauge = vedette.counter("c_total"), vedette.gauge("g")
        seen, together = vedette.histogram("h"), threading.Barrier(4)
        def work():
            together.wait()
            for _ in range(5000):
                counter.inc(); gauge.inc(); seen.observe(1)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(counter._cells) == 4
        seen.fold()
        print(counter.value(), gauge.value(), seen.count())
        """
    )
    assert result.stdout.split() == ["20000", "20000", "20000"]


def test_faults_of_the_sdk_are_told_once_and_raised_under_pytest(programs, collector):
    """A processor of the host's that fails stands for a fault: the program goes on, and its span arrives."""
    source = """
        import vedette
        vedette.configure("faulty", log_format="none")
        from opentelemetry import trace
        class Bad:
            def on_start(self, span, parent_context=None): raise RuntimeError("bad processor")
            def on_end(self, span): raise RuntimeError("bad processor")
        trace.get_tracer_provider().add_span_processor(Bad())
        for number in range(3):
            try:
                with vedette.span(f"kept {number}"): pass
            except RuntimeError as error:
                print("raised", error)
        """
    told = programs.run(source)
    assert told.stdout == ""
    assert told.stderr.count("bad processor") == 2  # once for each of the two places
    assert collector.names() == ["kept 0", "kept 1", "kept 2"]
    assert programs.run(source, PYTEST_CURRENT_TEST="theirs").stdout.count("raised bad processor") == 3


def test_a_program_is_run_where_the_platform_is_not_installed(programs, collector):
    path = programs.write("import vedette\nwith vedette.span('without the platform'): pass\n")
    script = "import sys\nsys.modules['typer'] = None\nfrom vedette.cli.entry import main\nmain()"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *words]
        return subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=False)

    assert run("run", "--", sys.executable, str(path)).returncode == 0
    assert collector.names() == ["without the platform"]
    assert "vedette: 'no-such-program' cannot be started" in run("run", "no-such-program").stderr
    assert "the other commands come with: pip install 'vedette[server]'" in run("serve").stderr


def test_what_a_program_uses_most_has_its_attributes_read_the_fast_way():
    """With `__getattr__` in its class, the interpreter looks every attribute of an object up anew."""
    counter = Registry().counter("c_total", labels=["kind"])
    for used in (get_logger("x"), counter, counter.labels("a"), Registry().histogram("h"), Registry().gauge("g")):
        assert not hasattr(type(used), "__getattr__")
        assert type(used).__getattribute__ is object.__getattribute__
