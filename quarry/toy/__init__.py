"""Toy benchmarks and toy models, made from a seed, so that the real pipeline runs anywhere."""
