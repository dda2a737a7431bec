"""The ensemble: one schema for real, simulated and generated micrographs, in a zarr v3 store.

An ensemble is an `xarray.Dataset` with a ``micrograph`` (sample, y, x) of uint8 grey levels, a coordinate a
process factor, and the coordinates ``condition``, ``um_per_px``, ``specimen`` and, where they apply,
``microconstituent``, ``image``, ``split``, ``seed``, ``observed``; optionally a ``phase`` (sample, y, x) of
uint8. Attributes keep the origin, the process space and the provenance.

A chunk holds one micrograph and a shard hundreds, so that a million images are thousands of files. Stores
are written shard by shard: a shard appears whole or not at all, and ``attrs["complete"]`` turns true with the
last.
"""

from .appending import append
from .opening import open_ensemble, pending
from .schema import EnsembleError, build, name_of, space_of, validate
from .seen import check_unseen, specimens_seen
from .splits import check_disjoint, part_of, split
from .store import SHARD, create, finish, write_ensemble, write_region

__all__ = [
    "SHARD",
    "EnsembleError",
    "append",
    "build",
    "check_disjoint",
    "check_unseen",
    "create",
    "finish",
    "name_of",
    "open_ensemble",
    "part_of",
    "pending",
    "space_of",
    "specimens_seen",
    "split",
    "validate",
    "write_ensemble",
    "write_region",
]
