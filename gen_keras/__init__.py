"""Classic deep generative models in Keras 3.

Importing the package registers all its classes with Keras, so that
`keras.models.load_model` finds them.
"""

from gen_keras import callbacks, datasets, layers, masks, models, presets, schedules
from gen_keras.hamming_index import HammingIndex

__version__ = "0.1.0"
