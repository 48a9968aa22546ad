"""`imges` without the order of `imaging.slots`: first come, first served. It shows what that order is worth."""

from imges.__main__ import main
from imges.imaging import slots

if __name__ == "__main__":
    slots.LATER = 0.0  # pyright: ignore[reportConstantRedefinition]
    main()
