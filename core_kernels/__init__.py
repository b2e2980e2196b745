"""Pure numbers of PEMS Edge: physics, data quality and optimisation matrices. No I/O, no clock, no logging."""
