"""Image work: the processor protocol, its two implementations, and the worker processes that they run in.

executor        what the use cases call: admits a picture by its cost, and has a worker process it
├─ slots          which request gets a worker and memory next
├─ cost           what a picture will take of both, estimated from its header
├─ quarantine     refuses files that have killed decoders
├─ workers        worker processes as the server sees them: started, called, replaced
├─ pipe           messages of a worker, read without trusting them
└─ handover       files of a worker, copied out and checked
worker          what runs inside a worker process
├─ cage           locks it in (`seccomp`: the system calls that it may make)
├─ escapes        tries the ways out, for `imges check`
├─ header         format and header, before any pixel is decoded
├─ formats        what each format's header says, and which bytes the lossless filter keeps
├─ render         from the received file to original, medium and thumb
└─ vips, pillow   the two processors (`gif_canvas`, `colour`, `metadata`: what neither library does as browsers do)
types           what other rooms give to image processing and get from it
sizes           the arithmetic of sizes
"""

from imges.imaging.executor import Imaging, open_imaging
from imges.imaging.quarantine import Quarantine
from imges.imaging.types import MEDIA_TYPES, Given, Header, Limits, Quality, Recipe, Rendition, Renditions

__all__ = [
    "MEDIA_TYPES",
    "Given",
    "Header",
    "Imaging",
    "Limits",
    "Quality",
    "Quarantine",
    "Recipe",
    "Rendition",
    "Renditions",
    "open_imaging",
]
