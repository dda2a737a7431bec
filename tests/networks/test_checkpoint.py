"""Weights on disk: round trips, damage, and the published checkpoint."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pspgan.networks import (
    CheckpointError,
    Generator,
    load_published,
    load_tensors,
    load_weights,
    save_weights,
)
from pspgan.process import ProcessSpace


def test_the_published_generators_images(shared):
    generator = load_published(shared / "fixtures" / "published_generator_ch4.pth")
    assert not generator.training
    recorded = np.load(shared / "fixtures" / "published_generator_ch4.npz")
    space = ProcessSpace.uhcsdb()
    conditions = [
        [factor.levels[i] for factor, i in zip(space.factors, row, strict=True)]
        for row in zip(*(recorded[name] for name in space.names), strict=True)
    ]
    weights = torch.from_numpy(space.encode(conditions))
    with torch.no_grad():
        image = generator(torch.from_numpy(recorded["z"]), weights)
    np.testing.assert_allclose(image.numpy(), recorded["image"], atol=1e-4, rtol=0)


def published_layout(generator):
    """A state_dict as the published code names it."""
    names = ("embed_temp", "embed_time", "embed_cool")
    renamed = {}
    for name, tensor in generator.state_dict().items():
        head, _, last = name.rpartition(".")
        spectral = f"{head}.u" in generator.state_dict()
        last = (
            {"weight": "weight_orig", "u": "weight_u", "v": "weight_v"}.get(last, last) if spectral else last
        )
        head = head.replace("norm", "final_layer.0") if head == "norm" else head
        head = "final_layer.2" if head == "output" else head
        for kind in ("query", "key", "value"):
            head = head.replace(f".{kind}", f".{kind}_conv")
        if head.startswith("embeddings."):
            head = names[int(head[-1])]
        renamed[f"{head}.{last}"] = tensor
    return renamed


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_other_sizes_in_the_published_layout(tmp_path, resolution):
    generator = Generator(
        ProcessSpace.uhcsdb(), resolution, ch=8, latent=20, attention="sagan", embedding=6
    ).eval()
    torch.save(published_layout(generator), tmp_path / "g.pth")
    again = load_published(tmp_path / "g.pth")
    assert (again.resolution, again.latent) == (resolution, 20)
    z, weights = torch.randn(1, 20), torch.from_numpy(ProcessSpace.uhcsdb().encode("800-5-Q"))
    torch.testing.assert_close(again(z, weights), generator(z, weights))


def test_checkpoints_of_another_layout_or_space_are_refused(tmp_path):
    layout = published_layout(
        Generator(ProcessSpace.uhcsdb(), 32, ch=4, latent=8, attention="sagan", embedding=4)
    )
    path = tmp_path / "g.pth"

    def load(tensors):
        torch.save(tensors, path)
        return load_published(path)

    with pytest.raises(CheckpointError, match=r"embed_time\.weight has 3 levels, the paper's time 8"):
        load(layout | {"embed_time.weight": torch.zeros(3, 4)})
    with pytest.raises(CheckpointError, match=r"lacks linear\.weight_orig"):
        load({k: v for k, v in layout.items() if k != "linear.weight_orig"})
    with pytest.raises(CheckpointError, match=r"blocks\.0\.conv2\.u is missing"):
        load({k: v for k, v in layout.items() if k != "blocks.0.conv2.weight_u"})
    with pytest.raises(CheckpointError, match="has no place"):
        load(layout | {"extra.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="not a state_dict"):
        load([1, 2])
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="cannot be read as a state_dict"):
        load_published(path)
    with pytest.raises(FileNotFoundError):
        load_published(tmp_path / "none.pth")


def test_no_code_is_run_from_a_checkpoint(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"embed_temp.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError):
        load_published(tmp_path / "evil.pth")
    assert not (tmp_path / "owned").exists()


def test_weights_round_trip(tmp_path):
    tensors = {"a": torch.randn(3, 4).T, "b": torch.tensor(5), "c": torch.ones(2, dtype=torch.bfloat16)}
    save_weights(tmp_path / "w.safetensors", tensors, {"images": 7, "config": {"ch": 4}})
    again, meta = load_weights(tmp_path / "w.safetensors")
    assert meta == {"images": 7, "config": {"ch": 4}}
    for name, tensor in tensors.items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_damaged_weights_are_named(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.randn(100)}, {})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match=r"w\.safetensors cannot be read"):
        load_weights(path)
    with pytest.raises(FileNotFoundError):
        load_weights(tmp_path / "none.safetensors")

    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not written by pspgan"):
        load_weights(path)


def test_tensors_of_another_process_space_are_refused():
    generator = Generator(ProcessSpace.uhcsdb(), 32, ch=4, latent=8, embedding=4)
    tensors = generator.state_dict() | {"embeddings.1.weight": torch.zeros(9, 4)}
    with pytest.raises(
        CheckpointError, match=r"embeddings\.1\.weight has shape \(9, 4\), the network wants \(8, 4\)"
    ):
        load_tensors(generator, tensors, "run")


def test_a_changed_byte_is_found_wherever_it_is(tmp_path):
    path = tmp_path / "w.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3), "c": torch.zeros(0, 2)}
    save_weights(path, tensors, {"step": 7})
    again, meta = load_weights(path)
    assert meta == {"step": 7}
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor)
    whole = path.read_bytes()
    found = 0
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        try:
            again, meta = load_weights(path)
        except CheckpointError as error:
            found += str(path) in str(error)
            continue
        # A name in the header that nobody reads: what is read is as it was written.
        assert meta == {"step": 7}
        assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    assert found > 0.9 * len(whole)


def test_files_without_a_checksum_are_read(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "old.safetensors", metadata={"pspgan": "{}"})
    assert torch.equal(load_weights(tmp_path / "old.safetensors")[0]["a"], torch.ones(2))
