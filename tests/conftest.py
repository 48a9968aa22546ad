"""What holds for all tests."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)  # a change breaks a test, not chance or load
settings.load_profile("repeatable")
