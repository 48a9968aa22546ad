"""Where the objects of pictures live: the public face that backends, ours and those of third parties, import.

protocol     what every backend promises, method by method
errors       what a backend may raise
objects      what goes into a storage and how a storage describes it
object_keys  the keys that objects may have
round_trip   the trial that every backend's `check` makes
registry     opens the backend that the settings name

Only the rooms of the product use the rest: `places` (all storages of the settings), `late` and `timed` (what wraps a
storage, by `forwarding`).
"""

from imges.durable import make_folders, shared
from imges.storage.errors import (
    InvalidKey,
    KeyExists,
    KeyMissing,
    OptionError,
    StorageError,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
)
from imges.storage.object_keys import LONGEST_KEY, LONGEST_SEGMENT, checked_key
from imges.storage.objects import LATEST, Address, NewObject, ObjectEntry, ObjectStat, moment_of
from imges.storage.protocol import Storage
from imges.storage.registry import ENTRY_POINTS, open_storage
from imges.storage.round_trip import CHECK_PREFIX, round_trip

__all__ = [
    "CHECK_PREFIX",
    "ENTRY_POINTS",
    "LATEST",
    "LONGEST_KEY",
    "LONGEST_SEGMENT",
    "Address",
    "InvalidKey",
    "KeyExists",
    "KeyMissing",
    "NewObject",
    "ObjectEntry",
    "ObjectStat",
    "OptionError",
    "Storage",
    "StorageError",
    "StorageFull",
    "StorageRefused",
    "StorageUnavailable",
    "checked_key",
    "make_folders",
    "moment_of",
    "open_storage",
    "round_trip",
    "shared",
]
