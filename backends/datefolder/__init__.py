"""The backend `datefolder`: objects as files below one folder (`2014/06/04/example.png`), fit for a proxy to serve.

storage      the protocol, method by method; each works in a thread
├─ putting      puts: a file gets its name when all of it is on the disk, and never takes the name of another
├─ reading      what else is done to objects: open, stat, delete, scan
├─ tree         the way from the root to a folder, which follows no symlink
└─ starting     makes the root, and refuses one that cannot be used

A put syncs the file and then links it to its name: a link never overwrites, also when two processes want the same name.
A file that cannot be linked is first copied into `.staging` inside the root.
"""

from .storage import DatefolderStorage

__all__ = ["DatefolderStorage"]
