"""Passwords of albums: hashed with scrypt in a thread, a few at a time, because each takes 16 MB and some CPU time."""

import asyncio
import hashlib
import hmac
import os
from threading import BoundedSemaphore

SALT = 16
"""Bytes."""

AT_ONCE = BoundedSemaphore(2)


async def hashed(password: str) -> bytes:
    """Return what the catalog keeps of *password*: a salt and its scrypt hash (RFC 7914, N = 2^14, r = 8, p = 1)."""
    salt = os.urandom(SALT)
    return salt + await _scrypt(password, salt)


async def is_right(password: str, kept: bytes) -> bool:
    """Return whether `hashed` made *kept* of *password*. The comparison takes the same time for every wrong one."""
    return hmac.compare_digest(kept[SALT:], await _scrypt(password, kept[:SALT]))


async def _scrypt(password: str, salt: bytes) -> bytes:
    def work() -> bytes:
        with AT_ONCE:
            return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=2**14, r=8, p=1)

    return await asyncio.to_thread(work)
