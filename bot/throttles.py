"""How people write a throttle, in one place for `/migrate throttle`, the request form and `ferry throttle`; pure.

    5000 · 5,000 entities/s       entities per second
    20MB · 1.5 MB/s               megabytes per second
    5000 20MB                     both
    off                           none

What is written is checked here and nowhere else; what a throttle does is in `engine/flow.py`.
"""

import re
from typing import Final

from engine.errors import InputRejected
from engine.model import Throttle

OFF: Final = "off"
TAKES: Final = "5000 | 20MB | off"
"""What may be written, as a usage line names it."""

HOW: Final = (
    "Write entities per second (5000), megabytes per second (20MB), both (5000 20MB), or off."
)
ENTITIES_MAX: Final = 10**9
MEGABYTES_MAX: Final = 10.0**6

_LIMIT: Final = re.compile(
    r"(?:(?P<megabytes>\d+(?:\.\d+)?) ?MB|(?P<entities>\d{1,3}(?:,\d{3})+|\d+)(?: ?entities)?)(?: ?/ ?s)?"
    r"(?:$|\s*(?:and|,|\+)\s+|\s+)",
    re.IGNORECASE | re.ASCII,
)


def parsed(text: str) -> Throttle | None:
    """The throttle that was written; None for "off".

    Raises:
        InputRejected: It is none.
    """
    written = text.strip()
    if written.casefold() == OFF:
        return None
    found: dict[str, str] = {}
    place = 0
    while place < len(written):
        limit = _LIMIT.match(written, place)
        if limit is None or limit.lastgroup is None or limit.lastgroup in found:
            raise _refused(text)
        found[limit.lastgroup] = limit[limit.lastgroup].replace(",", "")
        place = limit.end()
    entities, megabytes = int(found.get("entities", 0)), float(found.get("megabytes", 0))
    zero = any(not float(number) for number in found.values())
    if not found or zero or entities > ENTITIES_MAX or megabytes > MEGABYTES_MAX:
        raise _refused(text)
    return Throttle(entities_per_second=entities or None, megabytes_per_second=megabytes or None)


def _refused(text: str) -> InputRejected:
    shown = text.strip()[:60]
    return InputRejected(
        f"“{shown}” is not a throttle." if shown else "There is no throttle.",
        state="Nothing was changed.",
        next_step=HOW,
    )
