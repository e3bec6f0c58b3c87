"""The process that plays the visitors: `python -m vedette.demo.load STAGE`.

It stands for browsers outside the shop, so it is not instrumented and sends no trace context.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import TYPE_CHECKING

import httpx

from vedette.demo.stage import Stage
from vedette.demo.visits import Visit, visits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["play"]

_MOST_LATE_SECONDS = 5.0  # after a sleep of the machine, what was missed stays missed


def main() -> None:
    """Play the visits of the stage's seed against its gateway until told to stop."""
    stage = Stage.from_json(sys.argv[1])
    asyncio.run(_main(stage))


async def _main(stage: Stage) -> None:
    task = asyncio.ensure_future(play(stage, visits(stage.timetable, stage.rate)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def play(stage: Stage, planned: Iterator[Visit]) -> None:
    """Begin every visit at its time. A visit that fails is over, the others go on."""
    async with httpx.AsyncClient(base_url=stage.peers["gateway"], timeout=20.0) as client, asyncio.TaskGroup() as group:
        for visit in planned:
            wait = stage.opened + visit.at - time.time()
            if wait < -_MOST_LATE_SECONDS:
                continue
            await asyncio.sleep(max(wait, 0.0))
            group.create_task(_visit(client, visit))


async def _visit(client: httpx.AsyncClient, visit: Visit) -> None:
    headers = {"x-session-id": visit.session_id, "x-user-id": visit.user.user_id, "user-agent": visit.agent}
    for step in visit.steps:
        body = dict(step.body) if step.body is not None else None
        try:
            await client.request(step.method, step.path, params=dict(step.params), json=body, headers=headers)
        except httpx.HTTPError:
            return  # the visitor leaves
        await asyncio.sleep(step.pause)


if __name__ == "__main__":
    main()
