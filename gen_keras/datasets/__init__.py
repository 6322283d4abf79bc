"""Real data by name: shipped, downloaded, or from your own folders."""

from gen_keras.datasets.batches import Batches, binarize, random_flip
from gen_keras.datasets.dataset import Dataset, PairedDataset, UnpairedDataset
from gen_keras.datasets.loading import load, names
