"""Tests of the benchmarks' machinery; what they measure decides no test."""
