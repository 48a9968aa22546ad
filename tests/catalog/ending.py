"""A process that ends with its catalog open: `python -m tests.catalog.ending FILE TASK`."""
# ruff: noqa: T201 (its output is what the test reads)

import asyncio
import sys
import time
from pathlib import Path

from sqlalchemy import Connection

from imges.catalog.sqlite import SqliteDatabase


def keep(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE kept (number)")
    connection.exec_driver_sql("INSERT INTO kept VALUES (1)")


async def opened(file: str) -> SqliteDatabase:
    database = await SqliteDatabase.open(Path(file))
    await database.write(keep)
    print("ready", flush=True)
    return database


def sleep(_: Connection) -> None:
    time.sleep(60)


async def work(file: str, task: str) -> None:
    """End, or wait, as *task* says; nobody closes the database."""
    database = await opened(file)
    if task == "exit":
        sys.exit(0)
    if task == "wait_in_a_job":
        await database.read(sleep)


def stop_loop(file: str, task: str) -> None:
    """Close the loop under a database that is open, with a job on its way or without."""
    loop = asyncio.new_event_loop()
    database = loop.run_until_complete(opened(file))
    if task == "stop_loop_in_a_job":
        waiting = [loop.create_task(run(sleep)) for run in (database.read, database.write)]
        loop.run_until_complete(asyncio.sleep(0.1))
        assert not any(task.done() for task in waiting)
    loop.close()


if __name__ == "__main__":
    if sys.argv[2].startswith("stop_loop"):
        stop_loop(*sys.argv[1:])
    else:
        asyncio.run(work(*sys.argv[1:]))
