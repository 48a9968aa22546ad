"""The API key of a request: where clients put it, and what they do to it on the way."""

import re
from dataclasses import dataclass

from aiohttp import web

from imges.web.api.upload_form import UploadForm

SCHEMES = ("bearer", "api-key", "apikey", "token")
"""Words that clients write before the key in `Authorization`."""

NEAR_PARAMETERS = (
    "key",
    "apikey",
    "api_key",
    "api-key",
    "token",
    "access_token",
    "api_token",
    "auth",
    "secret",
    "password",
)
NEAR_HEADERS = ("Api-Key", "ApiKey", "X-Auth-Token", "X-Access-Token", "Token", "Key", "X-Key", "X-Token", "API_KEY")
"""Where clients of other hosts put it."""

_WORD = re.compile(r"(?:bearer|token|key|api-?key|client-id|x-api-key|basic)[:=]?\s|[\w-]+:\s", re.IGNORECASE)
"""What clients write before a key, and is no part of it."""

_PLACEHOLDER = re.compile(r"[<{\[$%].*|(your|my)?[-_ ]?(api)?[-_ ]?key|undefined|null|none", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key, and in words where it was."""

    text: str
    where: str


def presented_key(request: web.Request, form: UploadForm) -> PresentedKey | None:
    """Returns the API key that the client sent, without white space around it. A header wins over a parameter."""
    if key := request.headers.get("X-API-Key", "").strip():
        return PresentedKey(key, "in the header X-API-Key")
    sent = request.headers.get("Authorization", "").strip()
    scheme, _, token = sent.partition(" ")
    if scheme.lower() in SCHEMES and token.strip():
        return PresentedKey(token.strip(), "in the header Authorization")
    if key := form.fields.get("key", "").strip():
        return PresentedKey(key, "as the parameter `key`")
    if sent and scheme.lower() not in (*SCHEMES, "basic", "digest", "negotiate"):  # a proxy's password is none of ours
        return PresentedKey(sent, "in the header Authorization")
    return None


def missing(request: web.Request, form: UploadForm) -> str:
    """Returns what a client that sent no key should change."""
    near = next((f"as `{name}`" for name in form.fields if name != "key" and name.lower() in NEAR_PARAMETERS), None)
    near = near or next((f"in the header {name}" for name in NEAR_HEADERS if name in request.headers), None)
    if near is None and request.headers.get("Authorization", "").lower().startswith("basic "):
        near = "as a password in the header Authorization"
    came = f"it may be what came {near}" if near else "none came"
    return f"the API key is missing: {came}; send it as the parameter `key` or in the header X-API-Key"


def wrong(key: PresentedKey) -> str:
    """Returns what a client with the wrong *key* should change. The key itself is not repeated."""
    text = key.text
    if text[0] in "\"'“" or text[-1] in "\"'”":
        return f"the API key came {key.where} with quotation marks around it; leave them out"
    if _WORD.match(text):
        return f"the API key came {key.where} behind the word `{text.split()[0]}`; leave the word out"
    if _PLACEHOLDER.fullmatch(text):
        return f"what came {key.where} is the placeholder of an example; put your API key there"
    return f"the API key that came {key.where} ({len(text)} characters) is wrong; copy it once more, whole"
