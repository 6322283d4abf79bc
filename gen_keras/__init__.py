"""Classic deep generative models in Keras 3.

Importing the package registers every model with Keras, so that
`keras.models.load_model` finds it.
"""

from gen_keras import callbacks, datasets, models, presets

__version__ = "0.1.0"
