"""Environment variables that look like settings of ours and are none."""

import re
from collections.abc import Iterable, Mapping

READ = {"IMGES_KEY", "IMGES_SERVER", "IMGES_PLUGINS"}
"""Variables of other names that imges reads."""

OF_KUBERNETES = re.compile(r"IMGES_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT)|PORT_\d)|IMGES_(?:SERVICE_|PORT)")
"""What Kubernetes sets in each container for a service named imges, such as `IMGES_PORT_8080_TCP`."""

LIKE_OURS = re.compile(r"(?:imges|images?|imgs?|imge)__.|imges_", re.IGNORECASE)


def misspelt(environ: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Returns a sentence for each variable that looks like a setting and is not read. No sentence shows a value.

    *names* are the full names of all settings, such as `server.port`.
    """
    known = {_letters(f"imges.{name}"): f"IMGES__{name.replace('.', '__').upper()}" for name in names}
    sentences: list[str] = []
    for variable in sorted(environ):
        is_read = variable.startswith("IMGES__") or variable in READ or OF_KUBERNETES.match(variable)
        if is_read or not LIKE_OURS.match(variable):
            continue
        meant = known.get(_letters(re.sub(r"(?i)^[a-z]+(?=_)", "imges", variable)), "")
        hint = f"; did you mean {meant}?" if meant else "; settings begin with IMGES__, in capitals"
        sentences.append(f"the environment variable {variable} is not read{hint}")
    return sentences


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
