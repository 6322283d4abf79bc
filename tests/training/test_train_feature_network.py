"""The network through which metrics look at emoji: its loss, and a short training."""

import keras
import numpy as np
import pytest
import train_feature_network as script

from gen_keras import metrics

RNG = np.random.default_rng(0)


def test_loss_asks_for_the_own_partner_both_ways():
    logits = RNG.normal(size=(3, 3)).astype("float32")
    loss = keras.ops.convert_to_numpy(script.contrastive_loss(None, logits))
    for i in range(3):
        row = np.log(np.exp(logits[i]).sum()) - logits[i, i]
        column = np.log(np.exp(logits[:, i]).sum()) - logits[i, i]
        assert loss[i] == pytest.approx((row + column) / 2, rel=1e-5)


def test_pairs_meet_their_own_drawings():
    network = script.build_network((64, 64, 3), num_features=8)
    model = script.build_training_model(network, temperature=0.5)
    drawings = RNG.uniform(0, 1, (3, 64, 64, 3)).astype("float32")
    pairs = np.stack([drawings, drawings], axis=1)
    outputs = model.predict(pairs, verbose=0)
    # Two drawings that are alike have a cosine of 1, over the temperature.
    np.testing.assert_allclose(np.diag(outputs["emoji"]), 1 / 0.5, rtol=1e-4)
    assert outputs["emoji"].max() <= 2.001 and outputs["emoji"].shape == (3, 3)
    assert outputs["vendor"].shape == (3, 2)
    assert network.predict(drawings, verbose=0).min() >= 0


def test_training_writes_a_network_that_metrics_load(tmp_path):
    config = script.Config(
        epochs=1, batch_size=8, max_images=16, log_dir=str(tmp_path / "run")
    )
    trained = script.main(config)
    network = metrics.load_feature_network(tmp_path / "run" / "model.keras")
    images = RNG.uniform(0, 1, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_array_equal(
        metrics.extract_features(network, images),
        metrics.extract_features(trained, images),
    )
    assert network.output_shape == (None, 64)
