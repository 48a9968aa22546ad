"""Errors of the use cases of pictures, beside those of `imges.errors`."""

from imges.bytesize import size_formatted
from imges.errors import RequestError


class NotYours(RequestError):
    """The API key or the token does not belong to what the client wants to change."""

    status, code = 403, 105

    def __init__(self, what: str) -> None:
        super().__init__(f"this {what} belongs to another key; send the key that made it, or its token", what=what)


class GuestsHaveNoList(RequestError):
    """All guests share one key, so a list of its albums would show each guest the albums of all others."""

    status, code = 403, 105

    def __init__(self) -> None:
        super().__init__("the key of guests has no list of albums; keep the address and the edit token of each album")


class PasswordWanted(RequestError):
    """The album has a password, and the client has not entered it."""

    status, code = 401, 102

    def __init__(self, message: str = "this album has a password; open its page and enter it") -> None:
        super().__init__(message)


class ArchiveTooLarge(RequestError):
    status, code = 413, 313

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the pictures of this album have {size_formatted(size)} together; this site makes archives of up to "
            f"{size_formatted(limit)}",
            size=size,
            limit=limit,
        )
