"""Firmware profiles: data only, one TOML file a device family. The schema is in README.md beside this file."""
