"""Process -> structure with uncertainty, validated on unseen specimens and conditions; and the way back.

`features` turns conditions into numbers, `structure` statistics into targets, `regression` joins the two for
one target, `validation` says how far to trust it, `variances` what varies by how much, `estimator` is the
`Linkage` that users see. `evolution` follows structure along one factor, `kinetics` fits a growth law to it.
"""

from .estimator import Linkage, link
from .evolution import evolution
from .kinetic_fit import fit_kinetics
from .kinetics import Kinetics, fit_growth

__all__ = ["Kinetics", "Linkage", "evolution", "fit_growth", "fit_kinetics", "link"]
