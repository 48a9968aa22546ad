"""The model of settings.yaml: every setting, its type and its default."""

import os
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from imges.settings.options import Options, Origins
from imges.settings.units import Duration, Network, Rate, RateOf, Size
from imges.settings.values import (
    A_LIST,
    DISTINCT,
    AnyPath,
    CatalogUrl,
    Colour,
    Contact,
    Count,
    Dialect,
    Drain,
    ExistingFile,
    Format,
    HeaderText,
    HostName,
    Language,
    LinkUrl,
    Location,
    Percent,
    PlaceName,
    PlaceOptions,
    Port,
    Prefix,
    PublicUrl,
    RedisUrl,
    SocketPath,
    SomeBytes,
    SomePixels,
    SomeTime,
    Text,
    ThumbSide,
    TimeZone,
)


class Section(BaseModel):
    """A group of settings. A field with `repr=False` is a secret: no message shows its value."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, given: Any) -> Any:
        """Takes null for an empty section: YAML reads a section so if all its lines are commented out."""
        return {} if given is None else given


class Server(Section):
    host: Text = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    unix_socket: SocketPath | None = None
    public_url: PublicUrl | None = None
    trusted_proxies: Annotated[tuple[Network, ...], A_LIST] = (ip_network("127.0.0.0/8"), ip_network("::1"))
    hosts: Annotated[tuple[HostName, ...], A_LIST] = ()
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    accel_redirect: Location | None = None
    drain: Drain = timedelta(seconds=1)


class Api(Section):
    key: Text | None = Field(default=None, repr=False)
    prefixes: Annotated[tuple[Prefix, ...], A_LIST, DISTINCT] = ("sharexapi", "api")
    guest_uploads: bool = True
    dialects: Annotated[tuple[Dialect, ...], A_LIST, DISTINCT] = (
        "imgbb",
        "imgur",
        "lsky",
        "smms",
        "zipline",
        "plain",
    )


class Catalog(Section):
    url: CatalogUrl | None = Field(default=None, repr=False)


class Thumb(Section):
    width: ThumbSide = 160
    height: ThumbSide = 160


class Medium(Section):
    width: Annotated[int, Field(ge=1, le=8192)] = 500


class Quality(Section):
    jpeg: Percent = 85
    webp: Percent = 80
    avif: Percent = 60
    png: Annotated[int, Field(ge=0, le=9)] = 6


class Expire(Section):
    max: SomeTime | None = None
    default: SomeTime | None = None

    @field_validator("default")
    @classmethod
    def _within_max(cls, default: timedelta | None, info: ValidationInfo) -> timedelta | None:
        longest = info.data.get("max")
        if default and longest and default > longest:
            raise ValueError("should not be longer than images.expire.max")
        return default


class Images(Section):
    processor: Literal["auto", "vips", "pillow"] = "auto"
    formats: Annotated[tuple[Format, ...], A_LIST, DISTINCT] = ("jpg", "png", "gif", "webp", "avif")
    max_size: SomeBytes = 50 * 2**20
    max_pixels: SomePixels = 250 * 10**6
    max_side: Count = 65535
    max_frames: Count = 2000
    max_total_pixels: SomePixels = 600 * 10**6
    thumb: Thumb = Thumb()
    medium: Medium = Medium()
    quality: Quality = Quality()
    naming: Literal["original", "random", "mixed"] = "original"
    ids: Literal["random", "short"] = "random"
    metadata: Literal["strip", "keep"] = "strip"
    duplicates: Literal["allow", "reuse", "reject"] = "allow"
    expire: Expire = Expire()
    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    timeout: SomeTime = timedelta(seconds=8)
    memory: SomeBytes | None = None


class Albums(Section):
    zip_max: Size = 4 * 2**30


class Urls(Section):
    enabled: bool = True
    allow_private: Annotated[tuple[Network, ...], A_LIST] = ()
    ports: Annotated[tuple[Port, ...], A_LIST, DISTINCT] = (80, 443)
    timeout: SomeTime = timedelta(seconds=8)
    user_agent: HeaderText | None = None
    referer: Literal["none", "origin"] = "none"


class Limits(Section):
    uploads: RateOf | None = Rate(100, timedelta(minutes=1))
    wrong_keys: RateOf | None = Rate(10, timedelta(minutes=1))
    redis_url: RedisUrl | None = Field(default=None, repr=False)
    disk_reserve: Size = 500 * 2**20
    guest_bytes: Size | None = None
    connections: Count = 4000
    connections_per_address: Count | None = 100


class Privacy(Section):
    keep_addresses: Duration = timedelta(days=30)


class Link(Section):
    name: Text
    url: LinkUrl


class Site(Section):
    name: Text = "imges"
    accent: Colour | None = None
    logo: ExistingFile | None = None
    links: Annotated[tuple[Link, ...], A_LIST] = ()
    contact: Contact | None = None
    index: bool = False
    time_zone: TimeZone = ZoneInfo("UTC")
    language: Language = "en"


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


def disk_roots(storages: Mapping[str, Mapping[str, Any]]) -> dict[str, Path]:
    """Returns the folders of the *storages* that lie on disks of this machine, by the names of the storages."""
    roots = {name: given.get("root") for name, given in storages.items() if given["type"] == "datefolder"}
    return {name: Path(root) for name, root in roots.items() if isinstance(root, str | Path) and "\0" not in str(root)}


def _refuse_one_folder(storages: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `ValueError` if two storages have the same folder: each would take the other's pictures for lost."""
    seen: dict[str, str] = {}
    for name, root in disk_roots(storages).items():
        other = seen.setdefault(os.path.realpath(root), name)
        if other != name:
            raise ValueError(f"{other} and {name} have the same folder {root}; give each its own root")


class Settings(Section):
    """All settings, typed and checked; frozen."""

    data_dir: AnyPath = Path("data")
    server: Server = Server()
    api: Api = Api()
    storages: dict[PlaceName, PlaceOptions] = Field(default={}, repr=False)
    """Places by name. Each has a `type`; its backend reads the rest (see `imges.settings.options`)."""
    storage: str = "disk"
    catalog: Catalog = Catalog()
    images: Images = Images()
    albums: Albums = Albums()
    urls: Urls = Urls()
    limits: Limits = Limits()
    privacy: Privacy = Privacy()
    site: Site = Site()
    log: Log = Log()

    @property
    def catalog_url(self) -> str:
        """The URL of the catalog: `catalog.url`, else a SQLite file in the data folder."""
        return self.catalog.url or f"sqlite:///{self.data_dir.absolute() / 'imges.db'}"

    @field_validator("storages", mode="before")
    @classmethod
    def _with_disk(cls, given: Any) -> Any:
        if given is None:
            given = {}
        if not isinstance(given, Mapping):
            return given
        places = cast("Mapping[Any, Any]", given)
        disk: Any = places.get("disk", {})
        if isinstance(disk, Mapping):
            disk = {"type": "datefolder", **cast("Mapping[Any, Any]", disk)}
        return {**places, "disk": disk}

    @field_validator("storages")
    @classmethod
    def _root_of_disk(cls, places: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
        disk = places["disk"]
        if disk["type"] == "datefolder" and "root" not in disk and "data_dir" in info.data:
            disk = {**disk, "root": info.data["data_dir"] / "images"}
        _refuse_one_folder({**places, "disk": disk})
        origins = info.context if isinstance(info.context, Origins) else Origins()
        return {name: Options(given, origins, ("storages", name)) for name, given in {**places, "disk": disk}.items()}

    @field_validator("storage")
    @classmethod
    def _names_a_place(cls, storage: str, info: ValidationInfo) -> str:
        places = info.data.get("storages", {storage: {}})
        if storage not in places:
            raise ValueError(f"should name one of the storages: {', '.join(sorted(places))}")
        return storage
