"""Import first: the modules of `training/` can be imported then."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
