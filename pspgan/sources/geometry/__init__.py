"""Draws fields of a carbide microstructure: particles, network, lamellae and needles, as phase fractions.

Lengths are in micrometre, and the origin is the centre of the field. Everything is drawn on a domain wider
than the field, so that what lies across its border is cut as it is in a micrograph. Processing is unknown
here: the laws that lead from a heat treatment to a `Structure` are in `steel`.
"""

from .structure import PHASES, Field, Framing, Structure, draw

__all__ = ["PHASES", "Field", "Framing", "Structure", "draw"]
