"""Settings: the paper's numbers, and errors that help."""

import pytest

from pspgan.training import PRESETS, ConfigError, TrainingConfig, make_config


def test_the_paper_preset_is_the_paper():
    config = make_config("paper")
    assert (config.resolution, config.ch, config.latent, config.embedding) == (256, 64, 384, 128)
    assert (config.lr_g, config.lr_d, config.beta1, config.beta2) == (2e-4, 2e-4, 0.9, 0.999)
    assert (config.decay_g, config.decay_d) == (1e-3, 5e-4)
    assert (config.batch, config.d_steps, config.epochs) == (96, 4, 6000)
    assert (config.init, config.augment, config.balance) == (
        "normal",
        "color,translation,cutout",
        "microconstituent",
    )
    assert config.fake_conditions == "independent"
    assert config.reduction == 1
    assert config.averaging_halflife == 0
    assert config.total_images(598) == 6000 * 598


def test_fakes_have_real_counterparts_unless_the_paper_is_asked_for():
    assert TrainingConfig(images=1).fake_conditions == "observed"
    assert {name: make_config(name).fake_conditions for name in PRESETS} == {
        "paper": "independent",
        "uhcs-128": "observed",
        "uhcs-64": "observed",
        "demo": "observed",
    }


def test_all_presets_are_valid():
    assert set(PRESETS) == {"paper", "uhcs-128", "uhcs-64", "demo"}
    for name in PRESETS:
        assert make_config(name).total_images(429) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"l_rg": 1}, 'unknown setting "l_rg"; did you mean "lr_g"'),
        ({"lattent": 1}, 'unknown setting "lattent"; did you mean "latent"'),
        ({"zzz": 1}, 'unknown setting "zzz"'),
        ({"resolution": 100}, "resolution 100 is none of 32, 64, 128, 256, 512 px"),
        ({"batch": 96, "accumulation": 5}, "batch 96 is not a multiple of accumulation 5"),
        ({"batch": 8, "accumulation": 8}, "leaves batch norm a single image"),
        ({"lr_g": -1}, "lr_g: Input should be greater than 0"),
        ({"attention": "flash"}, "attention"),
        ({"augment": "colour"}, "colour"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"images": 10, "epochs": 2}, "exactly one of images and epochs"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ConfigError) as error:
        make_config("paper", **settings)
    assert message in str(error.value)


def test_unknown_preset():
    with pytest.raises(ConfigError, match=r'preset "uhcs64" is none of .* did you mean "uhcs-64"'):
        make_config("uhcs64")


def test_images_replace_epochs_and_the_reverse():
    assert make_config("paper", images=100).total_images(598) == 100
    assert make_config("uhcs-64", epochs=2).total_images(429) == 858


def test_a_fraction_of_an_epoch_is_some_training():
    assert make_config("demo", epochs=0.5).total_images(30) == 15
    assert make_config("demo", epochs=0.01).total_images(30) == 1
