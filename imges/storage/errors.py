"""The errors that a storage backend raises. No vendor's exception leaves a backend: it is the cause of one of these."""

from collections.abc import Mapping
from typing import Any

from imges.errors import ImgesError
from imges.settings.options import origin


class StorageError(ImgesError):
    """The root of what a backend may raise.

    *option* names the option of the place that the owner should look at; `None` if the backend does not know it.
    """

    status, code = 503, 500
    retry_after = 10
    option: str | None = None

    def __init__(self, message: str = "the storage is out of reach; try again in a moment") -> None:
        super().__init__(message)

    def for_owner(self, place: str, given: Mapping[str, Any] | None = None) -> str:
        """The message for the owner of *place*: the setting to look at, what is wrong, and what to change.

        *given* is what the settings say below the place. It adds the file or variable that the option was read from.
        """
        if self.option is None:
            return f"storages.{place}: {self.message}"
        return f"storages.{place}.{self.option}: {self.message}{origin(given or {}, self.option)}"


class KeyExists(StorageError):
    """An object has this key already. It stays as it is."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is an object {key} already")
        self.key = key


class KeyMissing(StorageError):
    """No object has this key."""

    status = code = 404

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no object {key}")
        self.key = key


class InvalidKey(KeyMissing, ValueError):
    """No object can have this key. It is a `KeyMissing`, so a client that asks for such a key gets 404."""


class StorageUnavailable(StorageError):
    """The place does not answer, or gives a wrong answer. The same call may succeed later."""

    def __init__(
        self, message: str = "the storage is out of reach; try again in a moment", *, option: str | None = None
    ) -> None:
        super().__init__(message)
        self.option = option


class StorageRefused(StorageUnavailable):
    """The store rejects the value of *option* (no such bucket, a wrong secret); *problem* says what would be right.

    Only `Storage.connect` and `Storage.check` raise it. It stops the start if new pictures go to this place, as
    `OptionError` does. A place of old pictures is only reported, because the store may accept the same value later.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(problem, option=option)


class StorageFull(StorageError):
    """No room is left. The same call succeeds only after somebody has made room."""

    status = code = 507

    def __init__(self, message: str = "the storage is full") -> None:
        super().__init__(message)


class OptionError(Exception):
    """The value of *option* is wrong by itself, whatever the store says; *problem* says what would be right.

    `Storage.connect` raises it; the registry adds the name of the setting and stops the start. Never put a secret into
    *problem*.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option
        self.problem = problem
