"""Makes the scripts importable, as they are for each other."""

import pathlib
import sys

TRAINING = pathlib.Path(__file__).parents[2] / "training"
sys.path[:0] = [str(TRAINING), str(TRAINING / "claims")]
