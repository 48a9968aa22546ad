"""Errors of albums in the catalog."""

from imges.errors import Gone, ImgesError, RequestError


class AlbumGone(Gone):
    """The album of this address was deleted or has ended."""

    def __init__(self) -> None:
        ImgesError.__init__(self, "this album has been deleted or has ended")


class AlbumNameTaken(RequestError):
    status, code = 409, 101

    def __init__(self, name: str) -> None:
        super().__init__(f"this key has an album named {name} already", name=name)
