"""The PEMS Edge appliance: reads the house, forecasts, plans and drives the hardware, safely."""

import os

# onnxruntime >= 1.29 phones home unless this is set before its import; we pin 1.28 and set it all the same.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
