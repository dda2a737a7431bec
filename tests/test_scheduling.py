"""Parts of a job: each once, wherever they run; an error ends the job and gives up what has not begun."""

import operator
import os
import threading

import joblib
import pytest
import torch

from pspgan.scheduling import run_parts


def parts(n=25):
    return ((i, 10) for i in range(n))


@pytest.mark.parametrize(("scheduler", "workers"), [("threads", 1), ("threads", 3), ("processes", 2)])
def test_every_part_runs_once(scheduler, workers):
    assert sorted(run_parts(operator.mul, parts(), scheduler, workers)) == [10 * i for i in range(25)]
    assert list(run_parts(operator.mul, [], scheduler, workers)) == []


def test_parts_run_on_a_cluster(cluster):
    assert sorted(run_parts(operator.mul, parts(), cluster)) == [10 * i for i in range(25)]
    assert os.getpid() not in set(run_parts(os.getpid, [()] * 4, cluster))


def test_workers_share_the_cores():
    before, share = torch.get_num_threads(), max(1, joblib.cpu_count() // 2)
    for scheduler in ("threads", "processes"):
        assert set(run_parts(torch.get_num_threads, [()] * 4, scheduler, 2)) == {share}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_arguments_are_drawn_as_they_are_needed(workers):
    drawn = []
    results = run_parts(abs, ((drawn.append(i) or -i,) for i in range(1000)), "threads", workers)
    next(results)
    assert len(drawn) <= 2 * 2 * workers
    results.close()


def test_an_error_gives_up_what_has_not_begun():
    began = []
    stop = threading.Event()

    def part(i):
        began.append(i)
        if i == 0:
            raise ValueError("part 0")
        stop.wait(0.05)

    with pytest.raises(ValueError, match="part 0"):
        list(run_parts(part, ((i,) for i in range(1000)), "threads", 2))
    assert len(began) < 10


def test_a_worker_that_dies_is_said():
    with pytest.raises(RuntimeError, match=r"a worker ended before its time.* the same call goes on"):
        list(run_parts(os._exit, [(1,)] * 2, "processes", 2))


@pytest.mark.parametrize(
    ("scheduler", "workers", "message"),
    [
        ("thread", 1, '"thread" is none of threads, processes, and no address of a dask scheduler'),
        ("threads", 0, "workers 0 is no number of threads"),
    ],
)
def test_what_cannot_run_parts_is_refused(scheduler, workers, message):
    with pytest.raises(ValueError, match=message):
        next(run_parts(abs, [(1,)], scheduler, workers))


def test_a_cluster_that_does_not_answer_is_named():
    with pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:9"):
        next(run_parts(abs, [(1,)], "tcp://127.0.0.1:9"))
