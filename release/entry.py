"""Where the one-file binary begins. Its decoding workers begin here as well: they must turn off before all else."""

from contextlib import suppress
from multiprocessing import freeze_support
from pathlib import Path

if __name__ == "__main__":
    freeze_support()
    with suppress(OSError):  # an empty root has none, and there the locks between processes lie
        Path("/dev/shm").mkdir(mode=0o1777, parents=True, exist_ok=True)
    from imges.__main__ import main

    main()
