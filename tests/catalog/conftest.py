"""Servers for the tests of this folder."""

from tests.servers import postgres

__all__ = ["postgres"]
