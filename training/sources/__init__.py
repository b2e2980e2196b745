"""Where measurements come from, one file each."""
