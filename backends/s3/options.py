"""What may stand below `storages.NAME` besides `type: s3`."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from imges.storage import InvalidKey, OptionError, checked_key


@dataclass(frozen=True, slots=True)
class S3Options:
    bucket: str
    """The bucket must exist."""

    endpoint_url: str | None = None
    """The store's address, with its scheme; `None`: Amazon's address for the region."""

    region: str | None = None
    """`None`: from the AWS chain, else us-east-1."""

    access_key: str | None = None
    secret_key: str | None = field(default=None, metadata={"secret": True})
    """Both or neither. If neither is set, the AWS chain gives them (environment, profile, role of the machine)."""

    prefix: str = ""
    """A folder inside the bucket that all keys lie below."""

    delivery: Literal["proxy", "redirect", "public"] = "proxy"
    public_url: str | None = None
    """For `delivery: public`: what stands before prefix and key; `None`: the bucket's own address."""

    addressing: Literal["path", "virtual"] = "path"
    """`path`: endpoint/bucket/key; `virtual`: bucket.endpoint/key."""


def check(options: S3Options) -> None:
    """Raises `OptionError` if an option is wrong by itself, whatever the store says."""
    for name, address in (("endpoint_url", options.endpoint_url), ("public_url", options.public_url)):
        if address is not None and not _is_web_address(address):
            raise OptionError(name, "should be an address such as https://s3.example.com, without ? and #")
    if options.public_url is not None and options.delivery != "public":
        raise OptionError("public_url", f"is of use with delivery: public, not with {options.delivery}")
    if bool(options.access_key) != bool(options.secret_key):
        missing = "secret_key" if options.access_key else "access_key"
        raise OptionError(missing, "is missing; access_key and secret_key go together")
    folder(options)


def folder(options: S3Options) -> str:
    """The prefix as it stands before keys: empty, or ending in a slash. Raises `OptionError` if no key can have it."""
    prefix = options.prefix.strip("/")
    try:
        return f"{checked_key(prefix)}/" if prefix else ""
    except InvalidKey as error:
        raise OptionError("prefix", "should be a folder such as pictures/2014; no part may begin with a dot") from error


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  (raises where it is no number)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
