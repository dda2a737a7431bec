"""Conditional BigGAN-deep for materials science: learn process -> microstructure, and link the two."""

__version__ = "0.1.0"
