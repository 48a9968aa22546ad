"""No exception of redis leaves the counting, whichever it defines: an upload is then counted by this process alone."""

import pytest
import redis.asyncio
import redis.exceptions

from imges.access.redis import RedisHits
from tests.raised import classes_of, instance_of, name_of

assert redis.asyncio, "its classes are loaded too"

NOT_RAISED = {
    "redis.auth.": "we use no tokens of an identity provider",
    "redis.event.": "we register no listeners for its events",
    "redis.exceptions.ChildDeadlockedError": "we fork no process that has a pool",
    "redis.exceptions.CrossSlotTransactionError": "of a cluster; we ask one Redis",
    "redis.exceptions.IncorrectPolicyType": "of a cluster; we ask one Redis",
    "redis.exceptions.InvalidPipelineStack": "of a cluster; we ask one Redis",
    "redis.exceptions.RedisClusterException": "of a cluster; we ask one Redis",
    "redis.exceptions.SlotNotCoveredError": "of a cluster; we ask one Redis",
    "redis.multidb.": "we ask one Redis",
}
RAISED = [kind for kind in classes_of("redis") if not name_of(kind).startswith(tuple(NOT_RAISED))]


class Raising:
    def __init__(self, error):
        self.error = error

    async def acquire_entry(self, key, limit, expiry, amount=1):
        raise self.error

    async def get_moving_window(self, key, limit, expiry):
        raise self.error


class Local:
    async def acquire_entry(self, key, limit, expiry, amount=1):
        return True

    async def get_moving_window(self, key, limit, expiry):
        return 1.0, 2


def test_there_are_many():
    assert len(RAISED) > 20
    assert redis.exceptions.ConnectionError in RAISED


@pytest.mark.parametrize("kind", RAISED, ids=name_of)
async def test_every_class_of_redis_leads_to_the_local_counts(kind):
    counts = RedisHits(Raising(instance_of(kind)), Local(), lambda: 0.0)
    assert await counts.acquire_entry("a", 1, 60)
    counts = RedisHits(Raising(instance_of(kind)), Local(), lambda: 0.0)
    assert await counts.get_moving_window("a", 1, 60) == (1.0, 2)
