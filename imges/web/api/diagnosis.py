"""What a refused upload was, in words: what came, what is wrong, and what to change.

Errors are raised where something is missing, and there nobody knows what the client sent instead. Here everything is
known: the kind of body, its fields and its first bytes.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from aiohttp import web

from imges.errors import FormatRefused, ImgesError, KeyWrong, NoSource, NotAnImage, NotBase64, RequestError, UrlRefused
from imges.receiving import first_bytes
from imges.web.api import body, presented_key
from imges.web.api.upload_form import UploadForm
from imges.web.app_keys import SETTINGS

SHOWN = 40
"""Characters of a client's own text that a message repeats."""
MEDIA_TYPE = 100
"""Characters of `Content-Type` that are searched for its media type."""
NAMED = 10
"""Fields that a message names."""

_FILE_NAME = re.compile(
    r"@?(?:[A-Za-z]:[\\/]|[\w.~-]*/|[\\.~])?[^<>|\r\n]{0,200}\.(?:jpe?g|jfif|png|gif|webp|avif|heic|bmp|tiff?|svg)",
    re.IGNORECASE | re.DOTALL,
)
_BARE_ADDRESS = re.compile(r"//[\w.-]+\.\w|(?:[\w-]+\.)+(?:[a-z]{2,}):?[0-9]*/", re.IGNORECASE)
_LOCAL_ADDRESS = re.compile(r"(file|blob|content|ph|assets-library|capacitor|[a-z]):", re.IGNORECASE)
_PRINTED_OBJECT = re.compile(
    r"\[object \w+\]|\{|undefined|null$|None$|true$|True$|<[\w .]+|b['\"]|System\.|java\.|Resource id|#<"
)


def explain(error: RequestError, request: web.Request, form: UploadForm) -> None:
    """Makes *error* say what came and what to change. Its class, and what programs read of it, stay."""
    if error.status not in {400, 401, 415}:
        return
    if message := _message(error, request, form):
        error.args = (message,)
    error.details |= {
        "content_type": _media_type(request),
        "fields": sorted({*form.fields, *form.texts})[:NAMED],
        "files": [{"field": name, "name": file[1]} for name, file in form.files.items()][:NAMED],
    }


def _message(error: ImgesError, request: web.Request, form: UploadForm) -> str | None:
    """Returns the sentence that replaces the message of *error*; `None` if that says enough."""
    if type(error) is KeyWrong:
        key = presented_key.presented_key(request, form)
        return presented_key.wrong(key) if key else presented_key.missing(request, form)
    if type(error) is NoSource:
        return _no_source(request, form)
    if isinstance(error, NotBase64):
        return _not_base64(form)
    if isinstance(error, FormatRefused):
        taken = ", ".join(name.upper() for name in request.app[SETTINGS].images.formats)
        return f"{error.message}; it takes {taken}"
    if isinstance(error, UrlRefused):
        return _local_address(form)
    if isinstance(error, NotAnImage):
        return _not_an_image(request, form)
    return None


def _no_source(request: web.Request, form: UploadForm) -> str:
    if request.method == "GET":
        return "GET came without a picture; send its http(s) address as `source`, or a file by POST"
    if form.empty:
        return (
            f"{_named(form.empty)} came without content, 0 bytes; choose a file, or open it anew if your program has "
            "read it to the end already"
        )
    kind = form.body.kind if form.body else body.UNKNOWN
    head = form.body.head if form.body else b""
    if kind == body.UNKNOWN and head:
        said = request.headers.get("Content-Type", "no Content-Type")[:SHOWN]
        what = first_bytes.other_than_picture(head) or "neither a form, nor a JSON object, nor a picture"
        return f"the body came with {said} and is {what}; send a form with the file as `source`: curl -F source=@x.png"
    names = [name for name in (*form.fields, *form.texts) if name not in {"key", "format"}]
    if form.source_name:
        return f"the field `{form.source_name}` came as {_shown(_source_text(form))}, without a picture in it"
    if form.body and not head and "Content-Type" in request.headers:
        return (
            f"the body came empty, 0 bytes, with {request.headers['Content-Type'][:SHOWN]}; send a form with the file "
            "as `source`: curl -F source=@x.png"
        )
    if not names:
        return "the request brings no picture; send a form with the file as `source`: curl -F source=@x.png"
    return f"{_named(names)} came, and no picture; send the picture as `source`: curl -F source=@x.png"


def _not_base64(form: UploadForm) -> str:
    text = _source_text(form)
    shown = _shown(text)
    if text.startswith("@"):
        return (
            f"`source` came as the text {shown}; curl sends a file with -F source=@x.png, not with -d or --form-string"
        )
    if _BARE_ADDRESS.match(text):
        return f"`source` came as the text {shown}, an address without its beginning; write https:// before it"
    if _FILE_NAME.fullmatch(text):
        return (
            f"`source` came as the text {shown}, the name of a file without the file; send the file itself: "
            'curl -F source=@x.png, or enctype="multipart/form-data" in an HTML form'
        )
    if _PRINTED_OBJECT.match(text):
        return (
            f"`source` came as the text {shown}: the program wrote a value down instead of the picture; "
            "send the file, or its bytes in base64"
        )
    if text[:5].lower() == "data:":
        return f"`source` came as the address {shown}, which is not base64; send data:image/png;base64,…"
    return f"`source` is neither a file, nor base64, nor an http(s) address; it begins with {shown}"


def _local_address(form: UploadForm) -> str | None:
    text = _source_text(form)
    if _LOCAL_ADDRESS.match(text):
        return f"`source` came as {_shown(text)}, an address that only your own device can open; send the file itself"
    return None


def _not_an_image(request: web.Request, form: UploadForm) -> str | None:
    name = form.source_name
    if form.body and form.body.kind == body.PICTURE:
        if _media_type(request) == "application/x-www-form-urlencoded":
            return (
                "the body is a damaged picture without a form: `curl -d` drops line ends and zeros of a file; "
                "send it with -F source=@x.png"
            )
        return None
    if name is None or name not in form.files:
        if _PRINTED_OBJECT.match(_source_text(form)):
            return _not_base64(form)
        return (
            f"`source` came as the text {_shown(_source_text(form))}, which decodes to no picture, or to a damaged one"
        )
    what = first_bytes.other_than_picture(form.heads[name]) or _text(form.heads[name])
    if what is None:
        return None
    file = form.files[name][1][:SHOWN]
    return f"the file {file + ' ' if file else ''}that came as `{name[:SHOWN]}` is {what}; send the picture itself"


def _text(head: bytes) -> str | None:
    """Returns what a text file with the beginning *head* is, in words; `None` if it is no text."""
    try:
        text = head[: first_bytes.ENOUGH - 4].decode().strip()
    except UnicodeDecodeError:
        return None
    return f"a text that begins with {_shown(text)}" if text and text.isprintable() else None


def _media_type(request: web.Request) -> str | None:
    """Returns the media type that was sent, without its options, cut to a length that can be read."""
    sent = request.headers.get("Content-Type")
    return None if sent is None else sent[:MEDIA_TYPE].partition(";")[0].strip().lower()


def _source_text(form: UploadForm) -> str:
    """Returns the beginning of the text that should have brought the picture."""
    name = form.source_name or ""
    if name in form.texts:
        head = form.heads.get(name, b"").decode("utf-8", "replace")
        return (unquote(head.replace("+", " ")) if form.texts[name].form_encoded else head).strip()
    return form.fields.get(name, "").strip()


def _shown(text: str) -> str:
    printable = "".join(c if c.isprintable() else "?" for c in text[:SHOWN])
    return f"`{printable}{'…' if len(text) > SHOWN else ''}`"


def _named(names: Iterable[str]) -> str:
    known = [f"`{name[:SHOWN]}`" for name in dict.fromkeys(names) if name and name.isprintable()]
    if not known:
        return "a field without a name"
    listed = ", ".join(known[:NAMED])
    return f"the field {listed}" if len(known) < 2 else f"the fields {listed}"
