"""Files are replaced as a whole, once their content is on the disk, or stay as they were."""

import os

import pytest

from pspgan.writing import naming, replacing, write_text


def test_a_file_takes_its_place_only_once_it_is_on_the_disk(tmp_path, monkeypatch):
    path, seen = tmp_path / "a.json", []
    path.write_text("old")

    def fsync(descriptor):
        seen.append((os.fstat(descriptor).st_size, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(path, "newer \N{MICRO SIGN}")
    assert seen == [(8, "old")]
    assert path.read_text(encoding="utf-8") == "newer \N{MICRO SIGN}"
    assert list(tmp_path.iterdir()) == [path]


def half_written(path, error):
    with replacing(path) as partial:
        partial.write_text("half")
        raise error


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("other"), KeyboardInterrupt()])
def test_what_goes_wrong_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error)):
        half_written(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_of_the_disk_name_the_file():
    message = r"^log\.jsonl cannot be written: gone; is the disk full\?$"
    with pytest.raises(OSError, match=message), naming("log.jsonl"):
        raise OSError("gone")
