"""What holds for all tests: however they are started, they see the same surroundings."""

import os
import signal
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers"]  # one of each kind for all tests of a process

settings.register_profile("repeatable", derandomize=True, deadline=None)  # a change breaks a test, not chance or load
settings.load_profile("repeatable")

OURS = ("IMGES", "AWS_", "PG", "LISTEN_", "NOTIFY_", "WATCHDOG_")
"""What the programs under test read from the environment, by the beginnings of the names."""
TERMINAL = {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
"""What decides how wide and in which colours programs print."""


def pytest_configure(config: pytest.Config) -> None:
    _forget_the_environment()
    _let_processes_hear_signals()
    folder = TemporaryDirectory(prefix="imges-config-")  # else a settings.yaml below HOME would be found
    config.add_cleanup(folder.cleanup)
    os.environ["XDG_CONFIG_HOME"] = folder.name


def _forget_the_environment() -> None:
    """Variables that name a proxy go too: the tests talk to servers on this machine."""
    for name in list(os.environ):
        if name.startswith(OURS) or name in TERMINAL or name.lower().endswith("_proxy"):
            del os.environ[name]


def _let_processes_hear_signals() -> None:
    """`nohup`, and a shell that starts a job in the background, ignore signals. Processes inherit that.

    A signal that has a handler here is handled as usual in the processes that tests start.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
