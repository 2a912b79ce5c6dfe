"""Faults by seed over the suite's own code, and what must hold after each."""
