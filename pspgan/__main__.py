"""Lets `python -m pspgan` be the command line."""

from .cli import main

main()
