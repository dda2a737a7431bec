"""Processes for code under test, forked from one that has imported what such code needs.

To import torch and all that goes with it takes a process seven seconds of a core, and the tests start some
eighty. Apart from that these are processes like any other: they are killed, interrupted and joined to ranks.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["pspgan.cli", "pspgan.training", "pspgan.generation", "pspgan.statistics"])


class ReadyProcess:
    """``python -c code`` with some environment, and the interface of `subprocess.Popen` that tests use."""

    def __init__(self, code, environment=os.environ):
        self._folder = tempfile.TemporaryDirectory()
        self._said = [Path(self._folder.name, name) for name in ("out", "err")]
        self._process = _SERVER.Process(target=_run, args=(code, dict(environment), *self._said))
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("python -c", timeout)
        return self._process.exitcode

    def communicate(self, timeout=None):
        """What it printed and what it said to the user, once it has ended."""
        self.wait(timeout)
        return tuple(path.read_text() if path.exists() else "" for path in self._said)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def _run(code, environment, out, err):
    import torch

    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream)
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", torch.get_num_threads())))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["-c"]
    with contextlib.suppress(KeyboardInterrupt):
        exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
        return
    sys.exit(128 + signal.SIGINT)
