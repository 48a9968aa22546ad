"""What is read from a worker's pipe: only what an honest worker sends is made of it."""

import io
import pickle
from pathlib import Path
from typing import Any

import pytest

from imges import errors
from imges.imaging import pipe
from imges.imaging.pipe import Foreign, _Reader
from imges.imaging.types import Given, Header, Rendition, Renditions
from imges.imaging.worker import OutOfMemory

HEADER = Header("png", 1, 2)
FILE = Rendition(Path("/x/thumb.png"), 3, "", "png", 1, 2, 8, None)


def came(value: object) -> Any:
    return _Reader(io.BytesIO(pickle.dumps(value))).load()


@pytest.mark.parametrize("value", [HEADER, FILE, Renditions(FILE, FILE, None, 1), (1, "x", None), Path("/x")])
def test_what_a_worker_answers_comes_as_it_was(value: object):
    assert pipe.read(pipe.result(value)) == (True, value)


@pytest.mark.parametrize(
    "error", [errors.NotAnImage("words"), errors.FormatRefused("heic"), errors.SettingsError("a", "b"), ValueError("x")]
)
def test_errors_come_as_they_were(error: Exception):
    went_well, found = pipe.read(pipe.failure(error))
    assert not went_well
    assert type(found) is type(error)
    assert (str(found), found.args) == (str(error), error.args)


def test_the_workers_own_error_is_made_again():
    _, found = pipe.read(pipe.failure(OutOfMemory()))
    assert isinstance(found, OutOfMemory)
    assert found.message == OutOfMemory().message


class Strange(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("cannot be sent")


def test_an_error_that_cannot_be_sent_arrives_in_words():
    _, found = pipe.read(pipe.failure(Strange("words")))
    assert isinstance(found, RuntimeError)
    assert str(found) == "Strange: words"


class Elsewhere(Exception):
    """An error of a library."""


def test_of_a_foreign_error_its_words_remain():
    went_well, found = pipe.read(pipe.failure(Elsewhere("words", 7)))
    assert not went_well
    assert isinstance(found, Foreign)
    assert found.args == ("words", "7")


@pytest.mark.parametrize("value", [Given, print, pickle.dumps, len, io.BytesIO])
def test_other_classes_and_functions_are_not_made(value: object):
    assert came(value) is Foreign


@pytest.mark.parametrize("name", ["Path", "os", "resource", "start", "NICENESS", "Header", "none"])
def test_of_the_workers_module_errors_alone_are_made(name: str):
    reader = _Reader(io.BytesIO())
    assert reader.find_class("imges.imaging.worker", name) is Foreign
    assert reader.find_class("imges.imaging.worker", "OutOfMemory") is OutOfMemory
    assert reader.find_class("builtins", "eval") is Foreign
    assert reader.find_class("builtins", "object") is Foreign
    assert reader.find_class("builtins", "KeyError") is KeyError
    assert reader.find_class("imges.errors", "NotAnImage") is errors.NotAnImage
    assert reader.find_class("elsewhere", "_as_it_was") is Foreign
    assert reader.find_class("elsewhere", "Header") is Foreign


@pytest.mark.parametrize("message", [(1, 2), ("yes", HEADER), (False, "words"), (False, HEADER), (None, None)])
def test_what_is_no_answer_is_refused(message: object):
    with pytest.raises(TypeError):
        pipe.read(pickle.dumps(message))
