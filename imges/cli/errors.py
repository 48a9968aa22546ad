"""How commands report errors: as one sentence each, with an exit status, without a traceback."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from imges.errors import ImgesError, SettingsError


@contextmanager
def reporting_errors() -> Generator[None]:
    """Prints the sentences of a `SettingsError` and exits with 2; prints any other error and exits with 1.

    An error of the system is one that the operator can mend, such as a full disk. If `log.level` is debug, the log has
    its traceback.
    """
    try:
        yield
    except SettingsError as error:
        for problem in error.problems:
            click.echo(f"Error: {problem}", err=True)
        sys.exit(2)
    except ImgesError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        raise  # nobody reads the output any more: click ends the command
    except OSError as error:
        logging.getLogger(__name__).debug("a call of the system failed", exc_info=error)
        where = f"{error.filename}: " if error.filename is not None else ""
        click.echo(f"Error: {where}{error.strerror or error}", err=True)
        sys.exit(1)


@contextmanager
def reporting_os_errors(where: Path) -> Generator[None]:
    """Raises `ImgesError` for an `OSError` of the block, with the file that it names.

    The error of a full disk names no file, and others name a temporary file: then the message names *where*.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        is_temporary = error.filename is None or Path(str(error.filename)).name.startswith(".")
        raise ImgesError(f"{where if is_temporary else error.filename}: {error.strerror or error}") from error
