"""The field bus: profiles, links, the write pipeline, and the digital twin."""
