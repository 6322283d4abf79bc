"""What the training scripts of Boltzmann machines share."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import script_helpers
from keras import ops
from script_helpers import flag

from gen_keras import datasets, image_grids
from gen_keras.models.boltzmann_machines.dbn import stack_rbms


@dataclasses.dataclass
class Config(script_helpers.Config):
    """Flags of the scripts that train Boltzmann machines, or begin with them."""

    batch_size: int = flag(100, "images a step")
    learning_rate: float = flag(0.05, "of gradient ascent; falls linearly to 0")
    momentum: float = flag(0.0, "of the weights, such as 0.5 or 0.9")
    weight_decay: float = flag(0.0, "λ of λ/2 ΣW², such as 0.0002")

    remedy = "Try a lower --learning-rate, or a higher --weight-decay."


@dataclasses.dataclass
class StackConfig(Config):
    """Flags of the scripts that train RBMs first, and all layers then."""

    layer_epochs: int = flag(20, "epochs of each RBM")
    layer_rate: float = flag(0.05, "their learning rate; falls linearly to 0")

    remedy = (
        "Try a lower --learning-rate, or in a layer --layer-rate, or a higher "
        "--weight-decay."
    )

    def of_layer(self, level):
        """Returns the flags that the training of an RBM has in place of these."""
        return {"epochs": self.layer_epochs, "learning_rate": self.layer_rate}


@dataclasses.dataclass
class ChainConfig(Config):
    """Flags of the scripts whose model has chains that may persist."""

    gibbs_steps: int = flag(5, "Gibbs steps of each update (k)")
    num_chains: int = flag(100, "persistent chains (PCD-k); 0 means CD-k")


def make_optimizer(config, num_images):
    """Returns SGD whose rate falls to 0 over the epochs of the run."""
    steps = config.epochs * (num_images // config.batch_size)
    rate = keras.optimizers.schedules.PolynomialDecay(
        config.learning_rate, steps, end_learning_rate=0.0
    )
    return keras.optimizers.SGD(rate, momentum=config.momentum)


def make_regularizer(config):
    """Returns the `kernel_regularizer` of a weight decay, or None."""
    if not config.weight_decay:
        return None
    return keras.regularizers.L2(config.weight_decay / 2)


def make_stack(
    config,
    visible_shape,
    gibbs_steps=1,
    num_chains=0,
    visible_units="bernoulli",
    chains_below=0,
):
    """Returns RBMs from below, of --hidden-dims; `num_chains` are of the top one."""
    return stack_rbms(
        visible_shape,
        config.hidden_dims,
        config.seed,
        bottom={"visible_units": visible_units},
        top={"num_chains": num_chains},
        num_chains=chains_below,
        gibbs_steps=gibbs_steps,
        kernel_regularizer=make_regularizer(config),
    )


def stage_of(config, name, **changes):
    """Returns the flags of a part of a run, in a folder of its own in --log-dir.

    The flags of the whole run are kept beside it for --resume.
    """
    folder = pathlib.Path(config.log_dir)
    path = folder / script_helpers.FLAGS_FILE
    if not config.dry_run and not path.is_file():
        script_helpers.make_folder(config.log_dir)
        path.write_text(json.dumps(vars(config), indent=2) + "\n", "utf-8")
    return dataclasses.replace(config, log_dir=str(folder / name), **changes)


def fit_layer(
    config,
    rbms,
    level,
    images,
    held_out,
    transform=datasets.binarize,
    optimizer=make_optimizer,
    figures=None,
    **changes,
):
    """Fits an RBM of a stack to samples of the units of the one below it.

    If it is fitted already it stays as it is.

    Args:
        config: `Config`.
        rbms: List of `RBM`, from below.
        level: Integer, which of them.
        images: `datasets.Dataset` of images in [0, 1], or of other examples.
        held_out: Array of images, for validation.
        transform: Function (images, rng) that returns what the lowest RBM is shown;
            images are binarized anew in each epoch.
        optimizer: Function of flags and the number of images that returns the
            optimizer.
        figures: Function that returns figures for the log, see
            `gen_keras.callbacks.Measure`, or `None`.
        **changes: Flags in place of those of `config`.
    """
    rbm = rbms[level]
    stage = stage_of(config, f"layer_{level + 1}", **changes)
    with script_helpers.setup(stage):
        rbm.compile(optimizer(stage, len(images)))
    draw = draw_units(rbms, level, transform)
    pictures = {}
    if level == 0 and len(rbm.visible_shape) == 3:
        pictures = {"weights": lambda: draw_weights(rbm)}
    validation = draw(held_out, np.random.default_rng(config.seed))
    script_helpers.fit(
        rbm,
        images,
        stage,
        sample_images=pictures,
        transform=draw,
        validation_data=(validation,),
        validation_batch_size=config.batch_size,
        figures=figures,
    )


def draw_units(rbms, level, transform=datasets.binarize):
    """Returns a function (images, rng) that draws what the RBM of a level is shown.

    It draws by NumPy, since batches are made beside the training, whose random streams
    must not be touched.
    """

    def draw(images, rng):
        states = transform(images, rng)
        for rbm in rbms[:level]:
            states = datasets.binarize(ops.convert_to_numpy(rbm.prop_up(states)), rng)
        return states

    return draw


def binarize_fixed(images, seed):
    """Returns images binarized once, for validation."""
    return datasets.binarize(images, np.random.default_rng(seed))


def draw_weights(model, kernel=None):
    """Returns the weights of the first hidden units as images in [0, 1].

    Args:
        model: Model of images.
        kernel: Array (num_visible, num_hidden); `None` means `model.kernel`.
    """
    shape = model.visible_shape
    kernel = model.kernel if kernel is None else kernel
    kernel = ops.convert_to_numpy(kernel)[: np.prod(shape)]
    return image_grids.weights_to_images(kernel, shape)
