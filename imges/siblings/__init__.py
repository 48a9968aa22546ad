"""What the processes of one machine share while `server.workers` of them serve: a hub in their parent, a link in each.

Over a socket to its parent a process asks for memory to decode in and has hits of client addresses counted, so that
limits hold for all of them together; tells the others which lookups to forget; and hears when to stop. What a process
held is free when it dies, for its socket ends with it.

A message is JSON: `[number, name, arguments…]`. Answers have the number of the question, notices none (0).
"""

from imges.siblings.counts import SharedCounts
from imges.siblings.hub import Hub
from imges.siblings.link import Link

__all__ = ["Hub", "Link", "SharedCounts"]
