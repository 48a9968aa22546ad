"""What processes share: secrets made once, leases on their pending rows, and whether the catalog works at all."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_hex

from sqlalchemy import Connection, delete, insert, or_, select, update

from imges.catalog.dialects import insert_or_skip
from imges.catalog.statements import Statements
from imges.catalog.tables import jobs, leases, secrets
from imges.errors import CatalogUnavailable


class Shared(Statements):
    async def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The secret *name*, the same for all processes and for ever; *make* makes it the first time."""
        return await self._database.write(partial(secret_of, name=name, make=make))

    async def take_lease(self, life: timedelta) -> str:
        """A new lease; rows that it holds are left alone by others for *life*, and for as long as it is renewed."""
        lease, now = token_hex(16), self._now()

        def take(connection: Connection) -> None:
            connection.execute(delete(leases).where(leases.c.expires <= now))  # their rows stay as free as they were
            connection.execute(insert(leases).values(id=lease, expires=now + life))

        await self._database.write(take)
        return lease

    async def renew_lease(self, lease: str, life: timedelta) -> None:
        """Let *lease* live for *life* from now. One that ended lives again, without the rows claimed meanwhile."""
        expires = self._now() + life

        def renew(connection: Connection) -> None:
            renewed = connection.execute(update(leases).where(leases.c.id == lease).values(expires=expires))
            if not renewed.rowcount:
                connection.execute(insert(leases).values(id=lease, expires=expires))

        await self._database.write(renew)

    async def give_lease_back(self, lease: str) -> None:
        """End *lease*: rows that it still holds can be claimed at once."""
        await self._rows_changed(delete(leases).where(leases.c.id == lease))

    async def hold_job(self, name: str, *, lease: str) -> bool:
        """Whether *lease* is whose turn the job *name* is; it passes on when the lease of who holds it has ended."""
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

    async def check(self) -> None:
        """Read and write, durably, right now. Raises: CatalogUnavailable, CatalogFull.

        What is written has to be new: SQLite leaves out what changes no byte, and would find a disk that takes nothing
        in order. The lease has ended before it began, so it means nothing to anybody.
        """
        probe = token_hex(16)

        def work(connection: Connection) -> bool:
            connection.execute(insert(leases).values(id=probe, expires=datetime.fromtimestamp(0, UTC)))
            return connection.execute(delete(leases).where(leases.c.id == probe)).rowcount == 1

        if not await self._database.write(work):
            raise CatalogUnavailable


def secret_of(connection: Connection, name: str, make: Callable[[], bytes]) -> bytes:
    """See `Shared.secret`."""
    statement = select(secrets.c.value).where(secrets.c.name == name)
    found = connection.scalar(statement)
    if found is None:
        connection.execute(insert_or_skip(connection, secrets), {"name": name, "value": make()})
        found = connection.execute(statement).scalar_one()
    return found
