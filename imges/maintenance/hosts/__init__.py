"""What other hosts knew of their pictures: a file for each kind of host."""

from pathlib import Path

from imges.maintenance.hosts.chevereto import Chevereto
from imges.maintenance.hosts.host import Host, Owners
from imges.maintenance.hosts.lsky import Lsky
from imges.maintenance.hosts.xbackbone import XBackBone
from imges.maintenance.hosts.zipline import Zipline
from imges.maintenance.tree import everywhere

KINDS = ("folder", "chevereto", "zipline", "lsky", "xbackbone")
"""What `imges import --from` takes."""


def host_of(kind: str | None, dump: Path | None, *, site: str | None, owners: bool, tokens: bool) -> Host:
    """Returns the host of that *kind*, one of `KINDS`; `None`: a tree of date folders, or an export of imges.

    *site* chooses between several sites in one *dump*. With *owners* its users get API keys, and with *tokens* these
    have the users' upload tokens as their texts.
    """
    users = Owners(wanted=owners, with_texts=tokens)
    match kind:
        case "chevereto":
            return Chevereto(dump=dump, owners=users, site=site)
        case "zipline":
            return Zipline(dump=dump, owners=users)
        case "lsky":
            return Lsky(dump=dump, owners=users)
        case "xbackbone":
            return XBackBone(dump=dump, owners=users)
        case "folder":
            return Host(dump=dump, judge=everywhere, owners=users)
        case _:
            return Host(dump=dump, owners=users)
