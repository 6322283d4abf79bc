import numpy as np
import pytest

from gen_keras.models.gans import lsgan
from tests.model_checks import check_model
from tests.models.gans import gan_checks
from tests.models.gans.gan_checks import affine

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 4, 4, 1)).astype("float32")

make_model = gan_checks.small_maker(lsgan.LSGAN)


def test_model(tmp_path):
    config = {
        "fake_target": -1.0,
        "real_target": 2.0,
        "generator_target": 0.5,
        "seed": 3,
    }
    check_model(make_model, config, IMAGES, (4, 4, 1), tmp_path)


@pytest.mark.parametrize("targets", [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (0.5, 3, -2)])
def test_losses_by_hand(targets):
    # D gives 2 to data and 0.25 to samples.
    a, b, c = targets
    names = ("fake_target", "real_target", "generator_target")
    model = make_model(
        **dict(zip(names, targets, strict=True)),
        generator=affine((3,), (4, 4, 1), bias=-1.0),
        discriminator=affine((4, 4, 1), (1,), kernel=0.875 / 16, bias=1.125),
    )
    d_loss, g_loss, logs = gan_checks.losses_of(model, np.ones((5, 4, 4, 1), "float32"))
    assert d_loss == pytest.approx(((2 - b) ** 2 + (0.25 - a) ** 2) / 2)
    assert g_loss == pytest.approx((0.25 - c) ** 2 / 2)
    # What is logged is D itself, which has no sigmoid.
    assert (logs["real_score"], logs["fake_score"]) == pytest.approx((2, 0.25))


def test_defaults_are_the_papers():
    # Equation 9: 0, 1 and 1.
    model = make_model()
    targets = (model.fake_target, model.real_target, model.generator_target)
    assert targets == (0, 1, 1)


def test_there_is_no_saturating_loss():
    message = "`saturating` is for cross-entropy; LSGAN has another loss"
    with pytest.raises(ValueError, match=message):
        lsgan.LSGAN((16, 16, 1), saturating=True)
