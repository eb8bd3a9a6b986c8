"""Engines that generate completions and capture hidden states; `engine` is the contract."""
