"""Makes the ids of pictures: URL-safe, case-sensitive, and impossible to guess from another id."""

import secrets
import string
from hashlib import blake2b

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
BASE = len(ALPHABET)

RANDOM_BITS = 64
RANDOM_LENGTH = 11
"""Letters that 64 bits need in base 62."""

ROUNDS = 12
"""Rounds of the Feistel network. The shortest ids have only three bits in each half and need this many."""


def random_id() -> str:
    """Returns 64 random bits as eleven letters."""
    return _encoded(secrets.randbits(RANDOM_BITS), RANDOM_LENGTH)


def short_id(number: int, key: bytes) -> str:
    """Returns the id of the row *number* (from 1), as short as possible.

    The first 62 numbers get the ids of one letter, the next 62² those of two letters, and so on. Within one length the
    order is a permutation that depends on the secret *key* (16 to 64 bytes): without it nobody can compute the id of
    the next picture and open it.

    Raises `ValueError` if *number* is less than 1.
    """
    index, length = number - 1, 1
    if index < 0:
        raise ValueError(f"numbers of rows begin with 1, not {number}")
    while index >= BASE**length:
        index -= BASE**length
        length += 1
    return _encoded(_permuted(index, length, key), length)


def _encoded(value: int, length: int) -> str:
    letters: list[str] = []
    for _ in range(length):
        value, digit = divmod(value, BASE)
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))


def _permuted(index: int, length: int, key: bytes) -> int:
    """Permutes *index* within the ids of *length* letters, one to one.

    A Feistel network permutes a range whose size is a power of four, somewhat larger than the number of ids. If a
    result lies outside the ids, it is permuted again until one lies inside.
    """
    size = BASE**length
    half_bits = (size.bit_length() + 1) // 2
    while True:
        index = _feistel(index, half_bits, key, length)
        if index < size:
            return index


def _feistel(value: int, half_bits: int, key: bytes, length: int) -> int:
    mask = (1 << half_bits) - 1
    left, right = value >> half_bits, value & mask
    for turn in range(ROUNDS):
        text = f"{length} {turn} {right}".encode()
        left, right = right, left ^ (int.from_bytes(blake2b(text, key=key, person=b"short id").digest()) & mask)
    return left << half_bits | right
