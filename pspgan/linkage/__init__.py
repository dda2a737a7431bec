"""Process -> structure with uncertainty, validated on unseen specimens and conditions; and the way back.

`features` turns conditions into numbers, `structure` statistics into targets, `regression` joins the two for
one target, `validation` says how far to trust it, `estimator` is the `Linkage` that users see.
"""

from .estimator import Linkage, link

__all__ = ["Linkage", "link"]
