"""A frozen generator makes the micrographs of the generator that it was computed from."""

import pytest
import torch

from pspgan.networks import RESOLUTIONS, FrozenGenerator, Generator, load_published
from pspgan.process import ProcessSpace
from pspgan.training.averaging import standing_statistics

SPACE = ProcessSpace.uhcsdb()


def contrasted(resolution, attention, channels=1):
    """A small generator in eval mode whose images use most of the grey range, attention included."""
    draws = torch.Generator().manual_seed(0)
    generator = Generator(
        SPACE,
        resolution,
        8,
        12,
        attention,
        embedding=5,
        channels=channels,
        init="orthogonal",
        init_embedding=0.4,
        generator=draws,
    )
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("gamma"):
                parameter.fill_(0.5)
        generator.norm.weight.normal_(1, 0.2, generator=draws)
        generator.norm.bias.normal_(0, 0.2, generator=draws)
    everything = torch.from_numpy(SPACE.encode(SPACE.all_conditions))
    standing_statistics(generator, everything, batches=3, batch=8, seed=0)
    return generator


def inputs(conditions):
    z = torch.randn(len(conditions), 12, generator=torch.Generator().manual_seed(1))
    return z, torch.from_numpy(SPACE.encode(conditions))


# Among them two that lie between levels.
CONDITIONS = SPACE.conditions(["800-5-Q", "850-6H-Q", "970-90-FC", "1080-37-AR", "800-5-Q"])


def grey_levels(a, b):
    return (a - b).abs() * 127.5


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("attention", ["biggan", "sagan", "none"])
def test_float32_is_the_same(resolution, attention):
    generator = contrasted(resolution, attention)
    z, weights = inputs(CONDITIONS)
    with torch.no_grad():
        expected = generator(z, weights)
    assert expected.max() - expected.min() > 1
    image = FrozenGenerator(generator)(z, weights)
    assert image.dtype == torch.float32
    assert grey_levels(image, expected).max() < 0.05


@pytest.mark.parametrize("attention", ["biggan", "sagan", "none"])
def test_bfloat16_is_nearly_the_same(attention):
    generator = contrasted(256, attention)
    z, weights = inputs(CONDITIONS)
    image = FrozenGenerator(generator, "bfloat16")(z, weights)
    assert image.dtype == torch.float32
    difference = grey_levels(image, FrozenGenerator(generator)(z, weights))
    assert 0.01 < difference.mean() < 1
    assert (difference <= 2).float().mean() > 0.98


def test_bfloat16_leaves_small_networks_alone():
    generator = contrasted(64, "biggan")
    z, weights = inputs(CONDITIONS)
    torch.testing.assert_close(
        FrozenGenerator(generator, "bfloat16")(z, weights), FrozenGenerator(generator)(z, weights)
    )


def test_several_channels():
    generator = contrasted(32, "none", channels=3)
    z, weights = inputs(CONDITIONS)
    with torch.no_grad():
        expected = generator(z, weights)
    torch.testing.assert_close(FrozenGenerator(generator)(z, weights), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_image_does_not_depend_on_its_batch(precision):
    frozen = FrozenGenerator(contrasted(128, "sagan"), precision)
    z, weights = inputs(CONDITIONS * 3)
    together = frozen(z, weights)
    alone = torch.cat([frozen(z[i : i + 1], weights[i : i + 1]) for i in range(len(z))])
    difference = grey_levels(together, alone)
    assert (difference < 1).float().mean() >= 0.999


def test_images_part_ways_where_maps_are_large(monkeypatch):
    generator = contrasted(64, "biggan")
    z, weights = inputs(CONDITIONS)
    expected = FrozenGenerator(generator)(z, weights)
    monkeypatch.setattr("pspgan.networks.frozen._CACHED", 1 << 16)
    small = FrozenGenerator(generator)
    assert {block.images_at_once for block in small.blocks} > {1, 2}
    torch.testing.assert_close(small(z, weights), expected, atol=1e-4, rtol=0)


def test_the_published_layout(shared):
    generator = load_published(shared / "fixtures" / "published_generator_ch4.pth")
    z = torch.randn(3, generator.latent, generator=torch.Generator().manual_seed(0))
    weights = torch.from_numpy(SPACE.encode(["800-5-Q", "970-90-FC", "970-90-Q"]))
    with torch.no_grad():
        expected = generator(z, weights)
    assert grey_levels(FrozenGenerator(generator)(z, weights), expected).max() < 0.05
    difference = grey_levels(FrozenGenerator(generator, "bfloat16")(z, weights), expected)
    assert (difference <= 2).float().mean() >= 0.99


def test_the_generator_is_left_as_it_is():
    generator = contrasted(32, "none")
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    frozen = FrozenGenerator(generator)
    z, weights = inputs(CONDITIONS)
    expected = frozen(z, weights)
    torch.testing.assert_close(generator.state_dict(), before, atol=0, rtol=0)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
        for buffer in generator.buffers():
            buffer.zero_()
    torch.testing.assert_close(frozen(z, weights), expected, atol=0, rtol=0)


def test_what_cannot_be_frozen():
    generator = contrasted(32, "none")
    with pytest.raises(ValueError, match='precision "float16" is none of float32, bfloat16'):
        FrozenGenerator(generator, "float16")
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        FrozenGenerator(generator.train())
    with pytest.raises(ValueError, match="do not fit"):
        FrozenGenerator(generator.eval())(torch.zeros(2, 3), torch.zeros(2, SPACE.n_levels))
