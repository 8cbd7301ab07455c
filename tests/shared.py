"""Where the tests of the `shared` tier find pictures, anchors and reference outputs that the repository does not hold.

REGIO_SHARED names the folder. Without it these tests are skipped, and `make test` says how many.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "REGIO_SHARED"
SHARED = Path(os.environ.get(VARIABLE, "nowhere"))  # a relative path counts from where pytest was started
needs_shared = pytest.mark.shared
