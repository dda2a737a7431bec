"""The first page of the report: choose a combination of process factors, see what is known of it.

`choices` says what can be chosen; `pictures`, `measures` and `sides` hold what is shown of a combination;
`answers` puts it together, for all combinations at once (the page) or for one (`pspgan app`).
``explorer.html`` and ``explorer.css`` lay it out; ``explorer.js`` shows what is chosen, with figures that
``drawing.js`` draws.
"""

from .answers import SHOWN, Explorer
from .pictures import tiles_of
from .sides import Side

__all__ = ["SHOWN", "Explorer", "Side", "tiles_of"]
