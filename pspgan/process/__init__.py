"""The vocabulary of conditions: process factors, the space they span, and points in it.

A *factor* is one thing that was done to the material: a nominal one has named levels (the cooling
method), an ordinal one has levels with physical values on an axis (temperature on a linear, time on a
logarithmic one). A *process space* is an ordered list of factors, and a *condition* gives each of them a
value. Conditions are written as in the paper, ``800-5-Q`` for 800 degC, 5 minutes, quench.

How a micrograph was taken may be a factor beside these: `PIXEL_SIZE`, ``800-5-Q-0.1`` at 0.1 um a pixel.

Networks see a condition as weights over levels: one-hot on a level, linear interpolation between two
neighbouring levels elsewhere.
"""

from .factor import ConditionError, Factor, Value
from .pixel_size import PIXEL_SIZE
from .space import ConditionLike, ProcessCondition, ProcessSpace

__all__ = [
    "PIXEL_SIZE",
    "ConditionError",
    "ConditionLike",
    "Factor",
    "ProcessCondition",
    "ProcessSpace",
    "Value",
]
