"""What a body is read as, whatever its shape: fields, one after the other, each with its bytes as they come."""

from dataclasses import dataclass

MAX_FIELDS = 200
MAX_FIELD_NAME = 256
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Field:
    """The beginning of a field. *filename* and *content_type* come in multipart alone.

    If it is *form_encoded*, its bytes still have the escapes of an urlencoded form. *charset* is what the field, or
    else its form, declares.
    """

    name: str
    filename: str | None = None
    content_type: str | None = None
    form_encoded: bool = False
    charset: str | None = None


Event = Field | bytes | None
"""The beginning of a field, some of its bytes, or `None` for its end."""
