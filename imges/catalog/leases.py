"""Leases of processes on their pending rows and on jobs: both fall to others when the process stops renewing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from secrets import token_hex

from sqlalchemy import Connection, delete, insert, or_, select, update

from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.statements import count_changed
from imges.catalog.tables import jobs, leases


class Leases:
    """Takes, renews and ends leases."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def take(self, life: timedelta) -> str:
        """Return a new lease. Other processes leave its rows alone for *life*, and for as long as it is renewed."""
        lease, now = token_hex(16), self._now()

        def take(connection: Connection) -> None:
            connection.execute(delete(leases).where(leases.c.expires <= now))  # their rows stay as free as they were
            connection.execute(insert(leases).values(id=lease, expires=now + life))

        await self._database.write(take)
        return lease

    async def renew(self, lease: str, life: timedelta) -> None:
        """Let *lease* live for *life* from now. One that has ended lives again, without the rows claimed meanwhile."""
        expires = self._now() + life

        def renew(connection: Connection) -> None:
            renewed = connection.execute(update(leases).where(leases.c.id == lease).values(expires=expires))
            if not renewed.rowcount:
                connection.execute(insert(leases).values(id=lease, expires=expires))

        await self._database.write(renew)

    async def give_back(self, lease: str) -> None:
        """End *lease*. Other processes can claim the rows that it still holds at once."""
        await self._database.write(count_changed(delete(leases).where(leases.c.id == lease)))

    async def hold_job(self, name: str, *, lease: str) -> bool:
        """Return whether *lease* holds the job *name*. Another lease gets the job when that of its holder has ended."""
        alive = select(leases.c.id).where(leases.c.expires > self._now())
        mine = (
            update(jobs)
            .where(jobs.c.name == name, or_(jobs.c.lease == lease, jobs.c.lease.not_in(alive)))
            .values(lease=lease)
        )

        def hold(connection: Connection) -> bool:
            first = connection.execute(insert_or_skip(connection, jobs), {"name": name, "lease": lease}).first()
            return first is not None or connection.execute(mine).rowcount > 0

        return await self._database.write(hold)
