"""The backend `s3`: objects in a bucket of any store that speaks S3.

storage   the protocol, method by method
├─ upload    puts: in one request or in parts, under a new key only, recognised if their answer was lost
│  ├─ claims    "new key only" at stores that ignore conditional puts
│  └─ body      a part of a file on its way to the store
├─ reading   an object's bytes, continued where the connection broke
├─ client    requests: retries, time limits
├─ errors    what a store's errors mean
└─ options   what may stand below `storages.NAME`
"""

from .storage import S3Storage

__all__ = ["S3Storage"]
