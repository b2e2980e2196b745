"""The whole main job on one machine: train, start twin and box as processes of their own, watch days pass, settle."""
