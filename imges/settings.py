"""The settings: the model of settings.yaml, and where its values come from.

First the file, then the environment (`IMGES__SERVER__PORT=9000`). Whatever is wrong, all of it at once, is a
`SettingsError` with a sentence for each problem: the setting's name, the value that was found (never a secret's),
what would be right, and where it was read.
"""

import os
import re
import tempfile
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from imges.errors import SettingsError
from imges.options import (
    Duration,
    FromEnvironment,
    Network,
    Pixels,
    Rate,
    RateOf,
    Size,
    place,
    read_variable,
    read_yaml,
    sentence,
    unknown,
)

H = TypeVar("H", bound=Hashable)

# Values that only settings know


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or value == "" or "\0" in str(value):
        raise ValueError("should be the path of a file or folder")
    return Path(value)


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _socket_path(path: Path) -> Path:
    if len(os.fsencode(path)) > 107:  # Linux's sun_path without its closing zero
        raise ValueError("should be at most 107 bytes long, as paths of sockets are")
    return path


def _time_zone(value: object) -> ZoneInfo:
    try:
        return value if isinstance(value, ZoneInfo) else ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError("should be a time zone such as UTC or Europe/Berlin") from None


def _public_url(text: str) -> str:
    advice = "should be scheme and host without a path, such as https://img.example.org"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(advice) from None
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+/?", text) or not url.hostname or port == 0:
        raise ValueError(advice)
    return text.removesuffix("/")


def _shaped(pattern: str, advice: str) -> AfterValidator:
    """A check that the whole of a text is of *pattern*."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(advice)
        return text

    return AfterValidator(check)


def _distinct(values: tuple[H, ...]) -> tuple[H, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("should name at least one, and none twice")
    return values


def _positive(length: timedelta) -> timedelta:
    if not length:
        raise ValueError("should be longer than 0")
    return length


def _short_drain(length: timedelta) -> timedelta:
    if length > timedelta(seconds=20):
        raise ValueError("should be at most 20 s: all of stopping takes at most 30")
    return length


def _typed_place(options: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(options.get("type"), str):
        raise ValueError("should say its type, such as `type: datefolder`")  # noqa: TRY004  (pydantic's own rule)
    return options


Text = Annotated[str, Field(min_length=1)]
AnyPath = Annotated[Path, BeforeValidator(_path)]
Count = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]
ThumbSide = Annotated[int, Field(ge=1, le=2048)]
SomeBytes = Annotated[Size, Field(ge=1)]
SomePixels = Annotated[Pixels, Field(ge=1)]
SomeTime = Annotated[Duration, AfterValidator(_positive)]
A_LIST = Field(strict=False)  # YAML's lists become tuples; what is in them stays strict
PlaceName = Annotated[str, _shaped(r"[a-z0-9_-]+", "names of places are made of a-z, 0-9, _ and -")]
Format = Literal["jpg", "png", "gif", "webp", "avif", "heic", "tiff", "bmp"]
Prefix = Annotated[str, _shaped(r"[A-Za-z0-9_-]+", "should be one part of a path, such as api")]
LinkUrl = Annotated[
    str, _shaped(r"(https?://|mailto:|/(?!/))\S+", "should be an address such as https://example.org/imprint")
]
Location = Annotated[str, _shaped(r"/[^\s?#]+", "should be an internal location of nginx, such as /protected")]
CatalogUrl = Annotated[
    str, _shaped(r"sqlite:///.+|postgresql://.*", "should be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
]
RedisUrl = Annotated[str, _shaped(r"(rediss?|redis\+unix)://.+", "should be an address such as redis://HOST:6379/0")]

# The model


class Section(BaseModel):
    """Settings that belong together. What `repr` leaves out is a secret: no message shows it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, given: Any) -> Any:
        """A section whose lines are all commented out is read as null."""
        return {} if given is None else given


class Server(Section):
    host: Text = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    unix_socket: Annotated[AnyPath, AfterValidator(_socket_path)] | None = None
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    trusted_proxies: Annotated[tuple[Network, ...], A_LIST] = (ip_network("127.0.0.0/8"), ip_network("::1"))
    workers: Count = 1
    accel_redirect: Location | None = None
    drain: Annotated[Duration, AfterValidator(_short_drain)] = timedelta(seconds=1)


class Api(Section):
    key: Text | None = Field(default=None, repr=False)
    prefixes: Annotated[tuple[Prefix, ...], A_LIST, AfterValidator(_distinct)] = ("sharexapi", "api")
    guest_uploads: bool = True


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
    formats: Annotated[tuple[Format, ...], A_LIST, AfterValidator(_distinct)] = ("jpg", "png", "gif", "webp", "avif")
    max_size: SomeBytes = 20 * 2**20
    max_pixels: SomePixels = 40 * 10**6
    max_side: Count = 16384
    max_frames: Count = 500
    max_total_pixels: SomePixels = 200 * 10**6
    thumb: Thumb = Thumb()
    medium: Medium = Medium()
    quality: Quality = Quality()
    naming: Literal["original", "random", "mixed"] = "original"
    ids: Literal["random", "short"] = "random"
    metadata: Literal["strip", "keep"] = "strip"
    duplicates: Literal["allow", "reuse", "reject"] = "allow"
    expire: Expire = Expire()
    workers: Count | None = None
    timeout: SomeTime = timedelta(seconds=8)
    memory: SomeBytes = 512 * 2**20


class Urls(Section):
    enabled: bool = True
    allow_private: Annotated[tuple[Network, ...], A_LIST] = ()
    ports: Annotated[tuple[Port, ...], A_LIST, AfterValidator(_distinct)] = (80, 443)
    timeout: SomeTime = timedelta(seconds=8)


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
    accent: Annotated[str, _shaped("#[0-9A-Fa-f]{6}", "should be a colour such as '#336699', in quotes")] | None = None
    logo: Annotated[AnyPath, AfterValidator(_existing_file)] | None = None
    links: Annotated[tuple[Link, ...], A_LIST] = ()
    index: bool = False
    time_zone: Annotated[ZoneInfo, BeforeValidator(_time_zone)] = ZoneInfo("UTC")
    language: Annotated[str, _shaped("[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", "should be a language such as en")] = "en"


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Settings(Section):
    """All settings, typed and checked; frozen."""

    data_dir: AnyPath = Path("data")
    server: Server = Server()
    api: Api = Api()
    storages: dict[PlaceName, Annotated[dict[str, Any], AfterValidator(_typed_place)]] = Field(default={}, repr=False)
    """By name, what stands below it: `type`, and what its backend makes of the rest (see `imges.options`)."""
    storage: str = "disk"
    catalog: Catalog = Catalog()
    images: Images = Images()
    urls: Urls = Urls()
    limits: Limits = Limits()
    privacy: Privacy = Privacy()
    site: Site = Site()
    log: Log = Log()

    @property
    def catalog_url(self) -> str:
        """Where the catalog is: as set, else SQLite below the data folder."""
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
        return {**places, "disk": disk}

    @field_validator("storage")
    @classmethod
    def _names_a_place(cls, storage: str, info: ValidationInfo) -> str:
        places = info.data.get("storages", {storage: {}})
        if storage not in places:
            raise ValueError(f"should name one of the storages: {', '.join(sorted(places))}")
        return storage


def prepare_data_dir(settings: Settings) -> None:
    """Make `data_dir` (0711) where it is missing, and try that files can be written there. Raises: SettingsError."""
    folder = settings.data_dir
    try:
        if not folder.is_dir():
            _make_durably(folder)
            folder.chmod(0o711)  # whatever the umask: a proxy goes through it to the pictures, and lists nothing
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        raise SettingsError(f"data_dir is '{folder}': should be a folder that can be written ({reason})") from None


def _make_durably(folder: Path) -> None:
    """Make *folder* and what is missing above it, each name synced: else a power cut takes along all that is inside."""
    if not folder.parent.is_dir():
        _make_durably(folder.parent)
    folder.mkdir(exist_ok=True)
    with suppress(PermissionError):  # a folder that may be gone through and not be read
        above = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(above)
        finally:
            os.close(above)


# Reading

PREFIX = "IMGES__"
FROM_FILE = "__FILE"
Loc = tuple[str, ...]


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the file *path* and of the environment, which wins.

    Without *path*, the first that there is of ./settings.yaml, $XDG_CONFIG_HOME/imges/settings.yaml and
    /etc/imges/settings.yaml; none: defaults. Raises: SettingsError, with every problem at once.
    """
    problems: list[str] = []
    file, given = _read_file(path, environ, problems)
    origins = _read_environment(given, environ, problems)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        names = dict(_names(Settings))
        found = [
            f"{sentence(problem, names)}{_origin(problem['loc'], origins, file)}"
            for problem in error.errors(include_url=False)
        ]
        raise SettingsError(*problems, *found) from None
    if problems:
        raise SettingsError(*problems)
    return settings


def settings_file(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that `load_settings` reads; `None` where there is none."""
    return path or next((found for found in _search_path(environ) if found.is_file()), None)


def _search_path(environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path("settings.yaml")
    config = environ.get("XDG_CONFIG_HOME", "")
    if Path(config).is_absolute():
        yield Path(config, "imges/settings.yaml")
    elif environ.get("HOME"):
        yield Path(environ["HOME"], ".config/imges/settings.yaml")
    yield Path("/etc/imges/settings.yaml")


def _read_file(
    path: Path | None, environ: Mapping[str, str], problems: list[str]
) -> tuple[Path | None, dict[str, Any]]:
    """The file that counts, and what stands in it."""
    for candidate in [path] if path else _search_path(environ):
        try:
            return candidate, _mapping(candidate.read_text("utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError) as error:
            if not path:
                continue
            reason = error.strerror
        except OSError as error:
            reason = error.strerror
        except UnicodeDecodeError:
            reason = "it is not UTF-8"
        except ValueError as error:
            reason = str(error)
        problems.append(f"{candidate} cannot be read: {reason}")
        return candidate, {}
    return None, {}


def _mapping(text: str) -> dict[str, Any]:
    """The names and values that the YAML *text* holds. Raises: ValueError."""
    found = read_yaml(text)
    if found is not None and not isinstance(found, dict):
        raise ValueError("should hold names and values, such as `storage: disk`")
    return cast("dict[str, Any]", found or {})


def _read_environment(given: dict[str, Any], environ: Mapping[str, str], problems: list[str]) -> dict[Loc, str]:
    """Put what the environment says into *given*; answers which variable each came from."""
    origins: dict[Loc, str] = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        loc = tuple(variable.removeprefix(PREFIX).removesuffix(FROM_FILE).lower().split("__"))
        kind = _type_at(loc)
        if kind is None:
            problems.append(f"{unknown(place(loc), dict(_names(Settings)))} [{variable}]")
        elif loc in origins:
            problems.append(f"{place(loc)} is given by both {origins[loc]} and {variable}; keep one")
        else:
            origins[loc] = variable
            try:
                _put(given, loc, _value(variable, environ[variable], kind))
            except ValueError as error:
                problems.append(f"{place(loc)}: {error} [{variable}]")
    return origins


def _value(variable: str, text: str, kind: object) -> Any:
    """What *variable* says for a setting of the type *kind*. Raises: ValueError, which does not show it."""
    if variable.endswith(FROM_FILE):
        try:
            text = Path(text).read_text("utf-8").removesuffix("\n")
        except (OSError, ValueError) as error:  # the path stays untold, for it may be the secret itself
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ValueError(f"the file that is named cannot be read: {reason}") from None
    return FromEnvironment(text) if kind is FromEnvironment else read_variable(text, kind)


def _type_at(loc: Loc) -> object:
    """The type of the setting at *loc*; `None` where there is none."""
    if loc[0] == "storages" and len(loc) > 1:
        return dict if len(loc) == 2 else FromEnvironment
    found: object = Settings
    for name in loc:
        if not (isinstance(found, type) and issubclass(found, Section) and name in found.model_fields):
            return None
        found = found.model_fields[name].annotation
    return found


def _put(given: dict[str, Any], loc: Loc, value: Any) -> None:
    """Set the *value* at *loc*; a mapping is added to the one that is there."""
    inner: Any = given
    for name in loc[:-1]:
        if not isinstance(inner.get(name), dict):
            inner[name] = {}
        inner = inner[name]
    if isinstance(value, dict) and isinstance(inner.get(loc[-1]), dict):
        for name, part in cast("dict[str, Any]", value).items():
            _put(inner[loc[-1]], (name,), part)
    else:
        inner[loc[-1]] = value


def _names(section: type[Section], above: str = "") -> Iterator[tuple[str, bool]]:
    """Every setting's full name, and whether it is a secret."""
    for name, field in section.model_fields.items():
        yield f"{above}{name}", not field.repr
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _names(field.annotation, f"{above}{name}.")


def _origin(loc: tuple[int | str, ...], origins: Mapping[Loc, str], file: Path | None) -> str:
    """Where a problem's value was read, to stand behind its sentence."""
    for length in range(len(loc), 0, -1):
        if variable := origins.get(cast("Loc", loc[:length])):
            return f" [{variable}]"
    return f" [{file}]" if file else ""
