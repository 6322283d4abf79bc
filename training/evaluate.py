r"""Measures a trained model on held-out images and writes the figures down.

    python training/evaluate.py --preset dcgan_mnist
    python training/evaluate.py --preset mnist_classifier
    python training/evaluate.py --model runs/vae/model.keras --dataset mnist
    python training/evaluate.py --preset rbm_mnist --max-images 200 \
        --num-temperatures 100 --num-chains 10 --out /tmp/smoke.json   # smoke run

A preset's figures by the defaults go to `training/results/NAME.json`, with how they
were made; others only where `--out` says. What is measured follows from model and data;
`--metrics` chooses:

    accuracy          a classifier's share of right answers
    retrieval         does a feature network find the same emoji by another vendor?
    classifier        confidence and classes of samples of digits
    frechet_distance  between features of samples and of real images: digits, emoji
    kernel_distance   in the same features, with its standard error
    precision_recall  in the same features
    density_coverage  in the same features
    neighbors         nearest training images of samples, copies
    memorization      are samples nearer to training images than to unseen ones?
    stacked_modes     modes of samples of stacked digits
    class_diversity   likeness of samples of one class, of models that take classes
    class_consistency do samples show the class asked for? digits
    categories        does InfoGAN's category tell the class of an image?
    encoder           classes by nearest neighbours of features, reconstructions (BiGAN)
    bounds            ELBO and IWAE bound of the log likelihood
    likelihood        log likelihood of an RBM, or a bound of that of a DBN or DBM, by
                      annealed importance sampling
    classification    test error of a ClassRBM
    codes             retrieval by binary codes (SemanticHashing)
    translation       error and retrieval of the true targets, beside baselines
    cycle             error of what comes back from the other domain
    kernel_distance   (of translators) between translated and real emoji
    vendor            for whose emoji a classifier takes the translated ones

No training script reads the test images; to choose between models, measure them with
`--split validation`. Where other work shares the processor, annealing is several times
faster with OMP_NUM_THREADS=1.
"""

import dataclasses
import json
import math
import pathlib
import time

import result_files
from sample_evaluation import SampleEvaluation
from script_helpers import flag, one_line_errors, parse_flags, print_devices
from tensorboard.backend.event_processing import event_accumulator
from translation_evaluation import TranslationEvaluation

from gen_keras import image_grids, metrics, presets
from gen_keras.models.base import Translator

# What metrics look through: its name to how it is loaded, and its data.
NETWORKS = {
    "mnist_classifier": (lambda: metrics.load_classifier("mnist"), "mnist"),
    "emoji_vendors_classifier": (
        lambda: metrics.load_classifier("emoji_vendors"),
        "emoji_vendors",
    ),
    "emoji_features": (lambda: metrics.load_feature_network("emoji"), "emoji_vendors"),
}


@dataclasses.dataclass
class Config:
    """Flags. The defaults are the protocol of the published figures."""

    preset: str = flag("", f"a preset's name, or one of {', '.join(NETWORKS)}")
    model: str = flag("", "a .keras file, in place of --preset; wants --dataset")
    compare: str = flag("", "a .keras file to measure as well, as a preset's original")
    dataset: str = flag("", "the data to compare with; by default the preset's")
    image_size: int = flag(0, "side of the images of a folder")
    channels: int = flag(0, "of the images of a folder: 1 (gray), 3 or 4; 0: 3")
    split: str = flag("test", "test, to publish; validation, to choose by")
    network: str = flag(
        "", "of features: inception, or a .keras file of images in [0, 1]"
    )
    metrics: str = flag("", "comma-separated; by default all that suit the model")
    seed: int = flag(0, "decides samples, binarization and chains")
    num_samples: int = flag(
        0, "samples to draw; 0: 10,000 digits, 26,000 stacks, 1,000 else"
    )
    max_images: int = flag(0, "use so many images of a split at most; 0: all")
    importance_samples: int = flag(5000, "K of the IWAE bound; 0: the ELBO alone")
    num_chains: int = flag(100, "chains of annealing (likelihood)")
    num_temperatures: int = flag(0, "equally spaced; 0: the 14,500 of the literature")
    training: str = flag("", "the command that made --model, to write down, too")
    curves: str = flag("", "the --log-dir of the training, whose curves to write too")
    picture: str = flag("", "an image file for some translations, to look at")
    out: str = flag(
        "", "the JSON file; of a preset, by the defaults, the published one"
    )


def evaluate(model, dataset, config):
    """Returns protocols and figures of a model, see `Evaluation.run`."""
    translates = isinstance(model, Translator)
    if config.picture and not translates:
        raise ValueError(
            "--picture wants a model that translates images. "
            f"Received: a {type(model).__name__}"
        )
    kind = TranslationEvaluation if translates else SampleEvaluation
    evaluation = kind(model, dataset, config)
    if config.picture:
        image_grids.to_pil(evaluation.draw()).save(config.picture, quality=90)
    return evaluation.run()


def load_subject(config):
    """Returns the model that the flags name, and the name of its data set."""
    if bool(config.preset) == bool(config.model):
        raise ValueError(
            "Name one model: --preset NAME, or --model PATH with --dataset NAME. "
            f"Received: preset={config.preset!r}, model={config.model!r}"
        )
    if config.preset in NETWORKS:
        load, dataset = NETWORKS[config.preset]
        return load(), dataset
    if config.preset:
        model = presets.load(config.preset)
        return model, config.dataset or presets.table()[config.preset]["dataset"]
    if not config.dataset:
        raise ValueError("--model wants --dataset. Received: dataset=''")
    return presets.load(config.model), config.dataset


def read_curves(log_dir, num_points=40):
    """Returns the scalars that a training logged: name to pairs (epoch, value).

    Args:
        log_dir: String, the folder of TensorBoard's event files.
        num_points: Integer, so many pairs a scalar about, the last one included.
    """
    events = event_accumulator.EventAccumulator(log_dir, {"scalars": 0}).Reload()
    names = events.Tags()["scalars"]
    if not names:
        raise ValueError(f"There are no curves in the folder. Received: {log_dir}")
    curves = {name: events.Scalars(name)[::-1] for name in names}
    return {
        name: [
            (event.step, event.value)
            for event in curve[:: math.ceil(len(curve) / num_points)][::-1]
        ]
        for name, curve in curves.items()
    }


def main(config):
    """Measures the model, writes the JSON if it has a place, and returns it."""
    start = time.time()
    print_devices()
    with one_line_errors():
        curves = (
            result_files.tidy(read_curves(config.curves)) if config.curves else None
        )
        model, dataset = load_subject(config)
        protocol, figures = evaluate(model, dataset, config)
        if config.compare:
            original = presets.load(config.compare)
            # The ELBO tells as much as the IWAE bound here, in a fiftieth of the time.
            quick = dataclasses.replace(config, importance_samples=0, picture="")
            _, figures["compared"] = evaluate(original, dataset, quick)
            protocol["compared"] = (
                f"The same figures of {pathlib.Path(config.compare).name}, the model "
                "before its weights were stored in float16."
            )
    row = presets.table().get(config.preset, {})
    if "departure" in row:
        protocol["model"] = row["departure"]
    result = result_files.make(
        config, "evaluate.py", config.seed, protocol, figures, time.time() - start
    )
    training = row.get("training", config.training)
    if training:
        result["training"] = training
    path = config.out or (f"{config.preset}.json" if is_published(config) else "")
    curves = curves or (path and training and curves_of(path, training))
    if curves:
        result["curves"] = curves
    print(result_files.as_text(result))
    if path:
        result_files.write(result, path)
    else:
        print("Not written to a file; --out names one.")
    return result


def is_published(config):
    """Returns whether the figures are a preset's, by the published protocol."""
    free = ("preset", "compare", "curves", "picture")
    return bool(config.preset) and all(
        field.name in free or getattr(config, field.name) == field.default
        for field in dataclasses.fields(config)
    )


def curves_of(path, training):
    """Returns the curves that a file holds of the same training, or `None`."""
    path = result_files.place(path)
    old = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return old.get("curves") if old.get("training") == training else None


if __name__ == "__main__":
    main(parse_flags(Config))
