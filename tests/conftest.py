"""What holds for all tests."""

from hypothesis import settings

pytest_plugins = ["tests.servers"]  # one of each kind for all tests of a process

settings.register_profile("repeatable", derandomize=True, deadline=None)  # a change breaks a test, not chance or load
settings.load_profile("repeatable")
