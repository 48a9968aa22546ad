"""Where a server of the tests keeps its pictures: its settings, and the objects without the code under test."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.servers import S3Server


class Backing(Protocol):
    def environ(self) -> Mapping[str, str]:
        """The settings, in the form of the environment without `IMGES__`."""
        ...

    def objects(self) -> set[str]:
        """All that lies there, half-done puts included."""
        ...

    def write(self, key: str, content: bytes) -> None: ...

    def read(self, key: str) -> bytes: ...

    def remove(self, key: str) -> None: ...


@dataclass(frozen=True)
class DiskBacking:
    """The place `disk`, as it is without settings."""

    data_dir: Path

    @property
    def _root(self) -> Path:
        return self.data_dir / "images"

    def environ(self) -> Mapping[str, str]:
        return {}

    def objects(self) -> set[str]:
        return {str(file.relative_to(self._root)) for file in self._root.rglob("*") if file.is_file()}

    def write(self, key: str, content: bytes) -> None:
        (self._root / key).write_bytes(content)

    def read(self, key: str) -> bytes:
        return (self._root / key).read_bytes()

    def remove(self, key: str) -> None:
        (self._root / key).unlink()


@dataclass(frozen=True)
class S3Backing:
    """A place `bucket` in a bucket of its own; changed by *options*, such as another endpoint_url.

    *catalog* is the address of one in PostgreSQL; without it, it is SQLite in the data folder.
    """

    server: S3Server
    bucket: str
    options: tuple[tuple[str, str], ...] = ()
    catalog: str | None = None

    @classmethod
    def new(cls, server: S3Server, *, catalog: str | None = None, **options: str) -> "S3Backing":
        return cls(server, server.new_bucket(), tuple(options.items()), catalog)

    def environ(self) -> Mapping[str, str]:
        given = self.server.settings(self.bucket) | dict(self.options)
        place = {"STORAGE": "bucket"} | {f"STORAGES__BUCKET__{name.upper()}": value for name, value in given.items()}
        return place if self.catalog is None else place | {"CATALOG__URL": self.catalog}

    def objects(self) -> set[str]:
        client = self.server.client
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        whole = {entry["Key"] for page in pages for entry in page.get("Contents", ())}
        uploads = client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        return whole | {f"{upload['Key']}?uploadId={upload['UploadId']}" for upload in uploads}

    def write(self, key: str, content: bytes) -> None:
        self.server.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def read(self, key: str) -> bytes:
        return self.server.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def remove(self, key: str) -> None:
        self.server.client.delete_object(Bucket=self.bucket, Key=key)
