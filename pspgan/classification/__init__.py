"""Microconstituents told from micrographs, with and without synthetic ones."""

from .texture import TextureFeatures, texture_features

__all__ = ["TextureFeatures", "texture_features"]
