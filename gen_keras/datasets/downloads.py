"""Data that Keras downloads once and keeps in `~/.keras/datasets`."""

from gen_keras.datasets.dataset import Dataset
from gen_keras.datasets.shipped import train_or_validation

LABEL_NAMES = {
    "fashion_mnist": (
        "T-shirt, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Boot"
    ).split(", "),
    "cifar10": (
        "airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck"
    ).split(", "),
}


def load_fashion_mnist(split, value_range):
    """Returns Fashion-MNIST: 55,000 + 5,000 + 10,000 of shape (28, 28, 1)."""
    return _load("fashion_mnist", split, value_range)


def load_cifar10(split, value_range):
    """Returns CIFAR-10: 45,000 + 5,000 + 10,000 of shape (32, 32, 3)."""
    return _load("cifar10", split, value_range)


def _load(name, split, value_range):
    import keras

    try:
        train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare `Exception` here.
        raise ConnectionError(
            f"{name!r} could not be downloaded ({error}). It needs the network once; "
            "'mnist' and 'emoji' come with the package."
        ) from error
    images, labels = test if split == "test" else train
    kept = train_or_validation(split, len(images))
    images = images[kept].reshape(-1, *images.shape[1:3], 3 if images.ndim == 4 else 1)
    return Dataset(
        images,
        value_range,
        name,
        split,
        labels=labels[kept].reshape(-1),
        label_names=LABEL_NAMES[name],
    )
