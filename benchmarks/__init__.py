"""Benchmarks against peers written as a Beam user would write them; see README.md here."""
