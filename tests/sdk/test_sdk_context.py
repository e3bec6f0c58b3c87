"""Work that goes on elsewhere (threads, pools, tasks, executors, Celery) stays in its trace."""

from __future__ import annotations

from typing import Any

import pytest
from sdk_programs import attributes_of, value_of


def test_threads_and_pools_keep_the_context(programs, collector):
    programs.run(
        """
        import threading, vedette
        from concurrent.futures import ThreadPoolExecutor
        vedette.configure("web", log_format="none")
        vedette.instrument()
        pool = ThreadPoolExecutor(1)
        def work(name):
            with vedette.span(name):
                pass
        for number in range(2):
            with vedette.span(f"outer {number}"):
                pool.submit(work, f"pool {number}").result()
                thread = threading.Thread(target=work, args=(f"thread {number}",)); thread.start(); thread.join()
        pool.submit(work, "alone").result()
        """
    )
    by_name = {span.name: span for span in collector.spans}
    for number in range(2):
        for kind in ("pool", "thread"):
            assert by_name[f"{kind} {number}"].parent_span_id == by_name[f"outer {number}"].span_id
    assert by_name["alone"].parent_span_id == b""


def test_asyncio_tasks_groups_and_executors_keep_the_context(programs, collector):
    programs.run(
        """
        import asyncio, vedette
        from concurrent.futures import ThreadPoolExecutor
        vedette.configure("shop", log_format="none", process_metrics=False)
        vedette.instrument()
        log = vedette.get_logger("shop")
        async def work(name):
            await asyncio.sleep(0)
            with vedette.span(name):
                log.info(name)
                await asyncio.sleep(0)
        def blocking(name):
            with vedette.span(name): log.info(name)
        async def main():
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(1) as pool, vedette.context(request="r-1"), vedette.span("outer"):
                async with asyncio.TaskGroup() as group:
                    group.create_task(work("task")); group.create_task(work("other task"))
                await asyncio.gather(work("gathered"), asyncio.to_thread(blocking, "to thread"),
                                     loop.run_in_executor(pool, blocking, "executor"))
                loop.call_soon(blocking, "callback")
                await asyncio.sleep(0.01)
            await work("outside")
        asyncio.run(main())
        """
    )
    spans = {span.name: span for span in collector.spans}
    inside = {"task", "other task", "gathered", "to thread", "executor", "callback"}
    assert {name for name, span in spans.items() if span.parent_span_id == spans["outer"].span_id} == inside
    assert {value_of(r.body) for r in collector.logs if attributes_of(r).get("request") == "r-1"} == inside
    assert spans["outside"].parent_span_id == b""


def test_spawned_processes_and_pools_of_them_keep_the_context(programs, collector):
    programs.run(
        """
        import multiprocessing, vedette
        from concurrent.futures import ProcessPoolExecutor
        vedette.configure("shop", log_format="none", process_metrics=False)
        vedette.instrument()
        def work(name):
            with vedette.span(name):
                vedette.get_logger("shop").info(name)
            return vedette.flush()
        if __name__ == "__main__":
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, spawn) as pool:
                for number in range(2):
                    with vedette.span(f"outer {number}"), vedette.context(request=f"r-{number}"):
                        assert pool.submit(work, f"pool {number}").result()
                        if number:
                            assert list(pool.map(work, ["mapped"])) == [True]
                            child = spawn.Process(target=work, args=("process",)); child.start(); child.join()
                pool.submit(work, "alone").result()
        """
    )
    spans = {span.name: span for span in collector.spans}
    parents = {"pool 0": "outer 0", "pool 1": "outer 1", "mapped": "outer 1", "process": "outer 1"}
    for name, parent in parents.items():
        assert spans[name].parent_span_id == spans[parent].span_id, name
    assert spans["alone"].parent_span_id == b""
    requests = {value_of(record.body): attributes_of(record).get("request") for record in collector.logs}
    assert requests == {"pool 0": "r-0", "pool 1": "r-1", "mapped": "r-1", "process": "r-1", "alone": None}


def test_celery_tasks_go_on_in_the_trace_that_sent_them(programs, collector):
    pytest.importorskip("celery")
    pytest.importorskip("opentelemetry.instrumentation.celery")
    programs.run(
        """
        import vedette
        vedette.configure("shop", log_format="none", process_metrics=False)
        vedette.instrument()
        from celery import Celery
        log = vedette.get_logger("shop")
        from celery.contrib.testing.worker import start_worker
        app = Celery("shop", broker="memory://", backend="cache+memory://")
        @app.task(bind=True)
        def pay(self, order):
            log.info("paying", order=order)
            if not self.request.retries:
                raise self.retry(countdown=0)
            with vedette.span("charge"):
                log.info("paid", order=order)
            return ship.delay(order).id
        @app.task
        def ship(order):
            log.info("shipping", order=order)
            return order
        with start_worker(app, perform_ping_check=False, loglevel="error"):
            with vedette.span("checkout"), vedette.context(correlation_id="c-7", user="u"):
                result = pay.delay(7)
            assert app.AsyncResult(result.get()).get() == 7
            ship.delay(8).get()
        """
    )
    spans = {span.span_id: span for span in collector.spans}

    def way(span: Any) -> list[str]:
        """The names from the trace's beginning to `span`."""
        return [*(way(spans[span.parent_span_id]) if span.parent_span_id else []), span.name]

    said = [
        (value_of(record.body), attributes_of(record), way(spans[record.span_id]))
        for record in collector.logs
        if attributes_of(record).get("order")
    ]
    sent, shipped = ["apply_async/shop.pay", "run/shop.pay"], ["apply_async/shop.ship", "run/shop.ship"]
    assert said == [
        ("paying", {"order": 7, "correlation_id": "c-7"}, ["checkout", *sent]),
        ("paying", {"order": 7, "correlation_id": "c-7"}, ["checkout", *sent, *sent]),
        ("paid", {"order": 7, "correlation_id": "c-7"}, ["checkout", *sent, *sent, "charge"]),
        ("shipping", {"order": 7, "correlation_id": "c-7"}, ["checkout", *sent, *sent, *shipped]),
        ("shipping", {"order": 8}, shipped),
    ]


def test_processes_of_celerys_pool_deliver_what_they_did(programs, collector):
    """They end by `os._exit`, when a worker does and when they have had their tasks; the next push would be too late."""
    pytest.importorskip("celery")
    programs.run(
        """
        import vedette
        vedette.configure("shop", log_format="none", process_metrics=False,
                          export_interval_seconds=3600, metrics_interval_seconds=3600)
        from billiard.pool import Pool
        from celery.concurrency.prefork import process_destructor
        done = vedette.counter("done_total")
        def pay(order):
            with vedette.span("charge"):
                vedette.get_logger("shop").info("paid", order=order)
            done.inc()
        pool = Pool(1, maxtasksperchild=2, on_process_exit=process_destructor)
        for order in range(3):
            pool.apply(pay, [order])
        pool.close()
        pool.join()
        """
    )
    assert [attributes_of(record)["order"] for record in collector.logs] == [0, 1, 2]
    assert collector.names() == ["charge"] * 3
    counted = [metric.sum.data_points[0].as_int for metric in collector.metrics if metric.name == "done_total"]
    assert sorted(counted) == [0, 1, 2]
