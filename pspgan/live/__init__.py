"""The explorer of the report, live: any condition and any seed, generated when it is asked for.

`answering` makes the page and its answers, from a generator and what else is given, `measuring` measures what
is made; `server` hands it to browsers of this machine, and to nobody else; `application` starts all of it.
"""

from .application import app

__all__ = ["app"]
