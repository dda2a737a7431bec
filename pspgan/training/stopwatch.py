"""How long each phase of a training takes, and how much memory it has needed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import torch


class Stopwatch:
    """Times phases without making a GPU wait.

    On CUDA a phase is marked by events in the stream, which are read when somebody asks; it lasts as long as
    the GPU takes for its work, gaps in it included.

    Args:
        device: that the phases run on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: dict[str, list[float | tuple[torch.cuda.Event, torch.cuda.Event]]] = {}

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done inside, as one occurrence of a phase."""
        began = self._now()
        yield
        ended = self._now()
        self.add(name, ended - began if isinstance(began, float) else (began, ended))

    def add(self, name: str, seconds: float) -> None:
        """Count an occurrence that was timed elsewhere."""
        self._spans.setdefault(name, []).append(seconds)

    def read(self) -> dict[str, float]:
        """``seconds_NAME`` of each phase, a mean over its occurrences since the last reading."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        spans, self._spans = self._spans, {}
        return {f"seconds_{name}": sum(map(_seconds, found)) / len(found) for name, found in spans.items()}

    def _now(self) -> float | torch.cuda.Event:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event


def _seconds(span: float | tuple[torch.cuda.Event, torch.cuda.Event]) -> float:
    return span if isinstance(span, float) else span[0].elapsed_time(span[1]) / 1e3


def peak_memory(device: torch.device) -> dict[str, float]:
    """``memory_gb``, the most memory that was needed, in 1e9 bytes.

    On CUDA: of tensors on the device, since the last call. On a CPU: of the whole process, since it began;
    left out where the system does not tell.
    """
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return {"memory_gb": peak / 1e9}
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]  # KiB
    return {"memory_gb": found[0] * 1024 / 1e9} if found else {}
