"""What wraps a storage forwards every call, so that a call added to the protocol cannot get lost on the way."""

import inspect
from datetime import timedelta
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from imges.storage import NewObject, Storage, StorageUnavailable
from imges.storage.forwarding import ForwardingStorage
from imges.storage.late import LateStorage
from imges.storage.timed import TimedStorage

CALLS = {
    "put": (("key", Path("file")), {"media_type": "image/png", "expires": None, "replace": True}),
    "put_all": (([NewObject("key", Path("file"), "image/png")], []), {}),
    "open": (("key",), {"start": 1, "stop": 2}),
    "stat": (("key",), {}),
    "delete": (("key",), {}),
    "scan": (("prefix",), {}),
    "sweep": ((timedelta(1),), {}),
    "local_path": (("key",), {}),
    "url": (("key",), {"expires": None}),
    "check": ((), {}),
    "close": ((), {}),
}


class Plain(ForwardingStorage):
    def __init__(self, storage):
        self.storage = storage

    @property
    def wrapped(self):
        return self.storage


def test_every_call_of_the_protocol_is_here():
    methods = {name for name, _ in inspect.getmembers(Storage, inspect.isfunction) if not name.startswith("_")}
    assert methods == CALLS.keys()


@pytest.mark.parametrize("wrap", [Plain, lambda storage: TimedStorage("place", storage)], ids=["plain", "timed"])
@pytest.mark.parametrize("call", CALLS)
async def test_a_call_is_forwarded_with_its_arguments_and_its_result(wrap, call):
    storage = MagicMock(spec=Storage)
    storage.open.return_value.__aexit__.return_value = False
    arguments, named = CALLS[call]
    made = getattr(wrap(storage), call)(*arguments, **named)
    if call == "open":
        async with made as chunks:
            assert chunks is storage.open.return_value.__aenter__.return_value
        storage.open.return_value.__aexit__.assert_awaited_once()
    elif inspect.isawaitable(made):
        result = await made
        assert result is (getattr(storage, call).return_value if call in {"stat", "url"} else None)
    else:
        assert made is getattr(storage, call).return_value
    getattr(storage, call).assert_called_once_with(*arguments, **named)


@pytest.mark.parametrize("call", sorted(CALLS.keys() - {"local_path", "close"}))
async def test_a_place_out_of_reach_refuses_each_call_at_once(call):
    late = LateStorage("place", {"type": "datefolder"}, StorageUnavailable("nothing answers", option="root"))
    arguments, named = CALLS[call]
    try:
        with pytest.raises(StorageUnavailable) as raised:
            await getattr(late, call)(*arguments, **named)  # open and scan raise before there is anything to await
        assert ("nothing answers" in raised.value.message) == (call == "check")
        assert late.local_path("key") is None
    finally:
        await late.close()
