"""A process that puts one file COUNT times at once, for tests that trace it, or make its calls fail, or kill it.

putter.py ROOT KEY FILE COUNT [replace]: waits for a line before the puts, so that two processes can begin together.
Then it writes the name of what each put raised; `NoneType` means success.
"""

import asyncio
import sys
from pathlib import Path

from imges.storage import open_storage


async def main(root: str, key: str, file: str, count: str, replace: str = "") -> None:
    storage = await open_storage("tried", {"type": "datefolder", "root": root})
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    puts = (storage.put(key, Path(file), media_type="image/png", replace=bool(replace)) for _ in range(int(count)))
    for result in await asyncio.gather(*puts, return_exceptions=True):
        sys.stdout.write(f"{type(result).__name__}\n")
    await storage.close()


asyncio.run(main(*sys.argv[1:]))
