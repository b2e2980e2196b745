"""What comes in: the store, tables, prices, weather."""
