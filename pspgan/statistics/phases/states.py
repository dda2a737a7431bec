"""Local states of pixels, as statistics take them: indicators of hard phases, and PyMKS's soft ones."""

from __future__ import annotations

import numpy as np


def one_hot(phase: np.ndarray, n_states: int) -> np.ndarray:
    """Indicator of each state, (sample, y, x, state) float64, from phase indices (sample, y, x).

    Raises:
        ValueError: a phase index is not below ``n_states``.
    """
    phase = np.asarray(phase)
    if phase.size and not 0 <= phase.min() <= phase.max() < n_states:
        raise ValueError(f"phase indices {phase.min()} to {phase.max()} do not fit {n_states} states")
    return (phase[..., None] == np.arange(n_states)).astype(float)


def primitive(micrograph: np.ndarray, n_states: int, low: float, high: float) -> np.ndarray:
    """PyMKS's primitive basis: a grey level between two states belongs to both, to the nearer one more.

    States lie evenly between two grey levels; levels beyond these belong to the first or the last. Every
    pixel's shares add up to 1 (Fullwood et al., Prog. Mater. Sci. 55, 477-562, 2010).

    Args:
        micrograph: grey levels, of any shape.
        n_states: how many states, two or more.
        low: grey level of the first state.
        high: grey level of the last state.

    Returns:
        (..., state) float64, what ``pymks.PrimitiveTransformer(n_states, low, high)`` gives.

    >>> primitive(np.array([0, 64, 255]), 2, 0, 256).round(2)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.  , 1.  ]])
    """
    states = np.linspace(low, high, n_states)
    distance = np.abs(np.clip(np.asarray(micrograph, dtype=float), low, high)[..., None] - states)
    return np.maximum(1 - distance / (states[1] - states[0]), 0)
