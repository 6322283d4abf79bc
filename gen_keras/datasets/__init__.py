"""Real data by name: shipped, downloaded, or from your own folders.

```python
dataset = datasets.load("mnist", "train", value_range=(-1, 1))
model.fit(dataset.batches(batch_size=64, seed=0), shuffle=False, epochs=10)
```
"""

from gen_keras.datasets.batches import Batches, binarize, random_flip, random_jitter
from gen_keras.datasets.dataset import Dataset, PairedDataset, UnpairedDataset
from gen_keras.datasets.documents import (
    Documents,
    choose_vocabulary,
    count_words,
    load_documents,
)
from gen_keras.datasets.edges import extract_edges
from gen_keras.datasets.folders import split_of
from gen_keras.datasets.loading import load, names
from gen_keras.datasets.mixtures import GaussianMixture
