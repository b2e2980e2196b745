"""The workstation half: datasets, fits, evaluation and signed bundles. Never installed on the device."""
