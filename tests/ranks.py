"""Real processes joined as torchrun joins them, for tests of what ranks do together."""

import os
import socket
import time

from ready_processes import ReadyProcess

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


class Processes:
    """Ranks that run the same code, as torchrun would start them."""

    def __init__(self, code, world):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        shared = ENVIRONMENT | {
            "WORLD_SIZE": f"{world}",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": f"{port}",
        }
        self.processes = [
            ReadyProcess(code, shared | {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}"}) for rank in range(world)
        ]

    def signal(self, rank, number):
        self.processes[rank].send_signal(number)

    def until(self, reached):
        deadline = time.monotonic() + 300
        while not reached():
            assert all(process.poll() is None for process in self.processes), self.end()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def end(self, timeout=120):
        """Exit codes, and what each said to the user."""
        try:
            errors = [process.communicate(timeout=timeout)[1] for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        return [process.returncode for process in self.processes], errors


def run_ranks(code, world):
    codes, errors = Processes(code, world).end()
    assert codes == [0] * world, errors
