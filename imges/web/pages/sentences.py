"""What a visitor of the upload page reads if an upload is refused, in the visitor's language.

API v1 speaks English. `context` and `details` of its errors make the same sentence in any language.
"""

from imges.errors import ImgesError
from imges.web.pages.languages import N_, SOURCE, Language

_BUSY = N_("The site is busy. Try again in a moment.")
_FULL = N_("This server's disk is full. Its owner has to make room.")
_NOT_FETCHED = N_("The picture could not be fetched from there. Save it and upload the file.")
_NO_GUESTS = N_("Guests cannot upload here now.")

SENTENCES = {
    "FileTooLarge": N_("The file is too large. This site takes up to %(limit)s."),
    "NotAnImage": N_("The file is no picture, or it is damaged."),
    "FormatRefused": N_("This site does not take pictures of this format."),
    "TooLargeImage": N_("The picture has too many pixels or frames for this site."),
    "ProcessingFailed": N_("This picture could not be processed"),
    "NoSource": N_("No picture came. Choose a file."),
    "BodyTooSlow": N_("The connection was too slow or broke off. Try again."),
    "Duplicate": N_("You have uploaded this picture before."),
    "Blocked": N_("This site does not take that from you."),
    "TooManyRequests": N_("There were more requests from your address than this site answers at a time."),
    "UrlRefused": _NOT_FETCHED,
    "FetchFailed": _NOT_FETCHED,
    "FetchTimeout": _NOT_FETCHED,
    "KeyUnusable": _NO_GUESTS,
    "QuotaUsedUp": _NO_GUESTS,
    "GuestsRefused": _NO_GUESTS,
    "Busy": _BUSY,
    "CatalogUnavailable": _BUSY,
    "StorageUnavailable": _BUSY,
    "SpoolUnavailable": _BUSY,
    "DiskReserve": _FULL,
    "CatalogFull": _FULL,
    "StorageFull": _FULL,
}
"""By `error.context`. Errors that only the site's owner can mend, and those of programs, stay English."""


def in_language(error: ImgesError, language: Language) -> str | None:
    """Returns the message of *error* in *language*; `None` if the English one is to be shown."""
    text = SENTENCES.get(type(error).__name__)
    if text is None or language.tag == SOURCE:
        return None
    translated = language.translations.gettext(text)
    return translated.replace("%(limit)s", language.size(error.details.get("limit", 0)))
