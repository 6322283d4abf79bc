import pathlib
import sys

# A script finds `script_helpers` beside it; so do tests that import a script.
TRAINING = pathlib.Path(__file__).parents[2] / "training"
if str(TRAINING) not in sys.path:
    sys.path.insert(0, str(TRAINING))
