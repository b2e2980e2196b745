"""What to do: the plan, the fast loop and the guard."""
