"""Encoded ids of pictures: URL-safe, case-sensitive, and not to be guessed from a neighbour's."""

import secrets
import string
from hashlib import blake2b

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
BASE = len(ALPHABET)

RANDOM_BITS = 64
RANDOM_LENGTH = 11
"""Letters that hold 64 bits in base 62."""

ROUNDS = 12
"""Of the Feistel network; so many because the shortest ids leave it only three bits a half."""


def random_id() -> str:
    """64 random bits, always eleven letters."""
    return _encoded(secrets.randbits(RANDOM_BITS), RANDOM_LENGTH)


def short_id(number: int, key: bytes) -> str:
    """The id of the row *number* (from 1): as short as can be, and computed only by who has the secret *key*.

    The key is 16 to 64 bytes. The first 62 numbers get the ids of one letter, the next 62² those of two, and so on;
    within one length the order is a permutation that depends on the key.
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
    """*index* within the ids of *length* letters → another one there, one to one.

    A Feistel network permutes a power of four that is somewhat larger; whoever lands outside walks on until inside.
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
