"""What a run shows: charts and pictures in TensorBoard, grids in the folder."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pspgan.process import ProcessSpace
from pspgan.training import train
from pspgan.training.metrics import Measured
from pspgan.training.samples import grid, strips


@pytest.fixture
def measured():
    """Of 30 conditions with 1, 2, ... micrographs; real ones are dark, generated ones bright."""
    conditions = ProcessSpace.uhcsdb().all_conditions[:30]
    shown = [torch.full((8, 16, 16), k, dtype=torch.uint8) for k in range(60)]
    return Measured(
        figures={},
        table=[{"condition": str(c), "micrographs": k + 1} for k, c in enumerate(conditions)],
        micrographs=[(c, shown[k], shown[k + 30]) for k, c in enumerate(conditions)],
        um_per_px=[np.nan] * 30,
    )


def test_a_grid_shows_the_24_conditions_with_most_micrographs(measured):
    shown = strips(measured)
    assert [strip.micrographs for strip in shown] == list(range(7, 31))
    assert [strip.condition for strip in shown] == [c.label for c, _, _ in measured.micrographs[6:]]
    picture = np.asarray(grid(shown))
    assert picture.shape == (24 * (14 + 16 + 2), 9 * 18 - 2 + 6)
    row = picture[2 * 32 + 14 : 2 * 32 + 30]
    assert np.all(row[:, [0, 15, 18, 51]] == 8)
    assert np.all(row[:, [60, 75, -1]] == 38)
    assert np.all(row[:, 52:60] == 255)


def test_a_grid_has_a_scale_bar_where_the_pixel_size_is_known(measured):
    side = 64
    rows = [(c, real.repeat(1, 4, 4), fake.repeat(1, 4, 4)) for c, real, fake in measured.micrographs[:3]]
    sizes = [0.1, np.nan, 0.4]
    three = dataclasses.replace(measured, table=measured.table[:3], micrographs=rows, um_per_px=sizes)
    plain = dataclasses.replace(three, um_per_px=[np.nan] * 3)
    drawn, without = (np.asarray(grid(strips(one))).astype(int) for one in (three, plain))
    for k, (um_per_px, micrometres) in enumerate(zip(sizes, (2, None, 10), strict=True)):
        caption = slice(k * (14 + side + 2), k * (14 + side + 2) + 14)
        added = drawn[caption] != without[caption]
        if micrometres is None:
            assert not added.any()
        else:
            assert added[6].sum() > micrometres / um_per_px - 1  # with what the letters add in this row
            bar = np.flatnonzero(added[6])
            assert np.diff(bar[: round(micrometres / um_per_px)]).max() == 1
            assert bar[round(micrometres / um_per_px)] > bar[round(micrometres / um_per_px) - 1] + 1


def test_charts_stand_in_groups_and_conditions_have_their_own_pictures(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **small)
    board = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    scalars = set(board.Tags()["scalars"])
    assert {tag.partition("/")[0] for tag in scalars} == {"loss", "metrics", "metrics_interval", "time"}
    assert {
        "loss/loss_g",
        "loss/gradient_d",
        "metrics/distance",
        "metrics/distance_real",
        "metrics/accuracy_bath",
        "metrics_interval/distance_low",
        "time/images_per_s",
    } <= scalars
    logged = [line["distance"] for line in run.log if "distance" in line]
    assert [event.value for event in board.Scalars("metrics/distance")] == pytest.approx(logged)
    assert sorted(board.Tags()["images"]) == [
        f"samples/0.{i}-{bath}" for i, bath in ((1, "oil"), (2, "oil"), (4, "air"))
    ]
    assert board.Tags()["tensors"] == ["config/text_summary"]
    with Image.open(run.folder / "samples" / "000000096.png") as picture:
        assert picture.size == (9 * 34 - 2 + 6, 3 * (14 + 32 + 2))


def test_charts_of_a_resumed_run_are_those_of_its_log(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 80}))
    # As after a crash: what came after the checkpoint at 64 images is told once more.
    for path in run.folder.glob("checkpoints/*-000000005.safetensors"):
        path.unlink()
    train(make_ensemble(), "demo", run.folder, resume=True, images=96, progress=False)
    board = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    for tag, key in (("loss/loss_g", "loss_g"), ("metrics/distance", "distance")):
        told = [(line["images"], line[key]) for line in run.log if key in line]
        assert [event.step for event in board.Scalars(tag)] == [images for images, _ in told]
        assert [event.value for event in board.Scalars(tag)] == pytest.approx([value for _, value in told])
    assert [event.step for event in board.Images("samples/0.1-oil")] == [48, 96]
