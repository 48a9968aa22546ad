"""The start of the one-file binary. Its decoding workers start here too, and take their own way in `freeze_support`."""

from contextlib import suppress
from multiprocessing import freeze_support
from pathlib import Path

if __name__ == "__main__":
    freeze_support()
    with suppress(OSError):  # an empty root has no /dev/shm, where the locks between processes lie
        Path("/dev/shm").mkdir(mode=0o1777, parents=True, exist_ok=True)
    from imges.__main__ import main

    main()
