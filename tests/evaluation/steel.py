"""Simulated steel to be judged, small enough for tests."""

from pspgan import simulate

# Pearlite, spheroidite from fine to coarse, and the network: what a field of 64 px can show.
CONDITIONS = ["700-5-Q", "800-90-Q", "800-1440-Q", "900-480-Q", "970-90-Q", "900-90-650-1H"]


def steel(seed, um_per_px=0.07, conditions=CONDITIONS, n=18):
    """``n`` micrographs of each condition, of four specimens."""
    count = n * len(conditions)
    return simulate(
        count, 64, seed, conditions=conditions, um_per_px=um_per_px, workers=1, progress=False
    ).drop_vars("particle_diameter")
