"""Models of many homes: one home is one task of Dask distributed, what it yields lies in any store of fsspec."""
