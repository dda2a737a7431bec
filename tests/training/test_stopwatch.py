"""Times of phases and peak memory."""

import time

import pytest
import torch

from pspgan.training.stopwatch import Stopwatch, peak_memory

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
def test_means_over_occurrences_since_the_last_reading(device):
    watch = Stopwatch(torch.device(device))
    for pause in (0.02, 0.06):
        with watch.phase("d"):
            time.sleep(pause)
            torch.ones(8, device=device).sum()
        with watch.phase("g"):
            pass
    watch.add("data", 3.0)
    watch.add("data", 5.0)
    found = watch.read()
    assert found.keys() == {"seconds_d", "seconds_g", "seconds_data"}
    assert found["seconds_d"] == pytest.approx(0.04, abs=0.03)
    assert found["seconds_g"] < found["seconds_d"]
    assert found["seconds_data"] == 4
    assert watch.read() == {}


def test_a_gpus_events_are_read_when_asked_for(monkeypatch):
    """On machines without one: events that know the order they were recorded in stand for CUDA's."""
    recorded = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self, stream):
            assert stream == "stream"
            self.at = 10.0 * len(recorded) ** 2
            recorded.append(self)

        def elapsed_time(self, other):
            return other.at - self.at

    synchronised = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "stream")
    monkeypatch.setattr(torch.cuda, "synchronize", synchronised.append)
    watch = Stopwatch(torch.device("cuda"))
    for name in ("d", "g", "d"):
        with watch.phase(name):
            pass
    assert not synchronised
    # Recorded at 0, 10, 40, 90, 160 and 250 ms.
    assert watch.read() == {"seconds_d": pytest.approx(0.05), "seconds_g": pytest.approx(0.05)}
    assert len(synchronised) == 1


@pytest.mark.parametrize("device", DEVICES)
def test_peak_memory_holds_what_was_let_go(device):
    before = peak_memory(torch.device(device))["memory_gb"]
    block = torch.ones(2**27, device=device)
    del block
    after = peak_memory(torch.device(device))["memory_gb"]
    assert after >= 0.53
    assert after < before + 1.5
