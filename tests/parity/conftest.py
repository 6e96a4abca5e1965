"""Lets the parity tests import the PyTorch networks and the comparison that lie beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
