"""`VllmEngine`: the inference contract on top of vLLM."""
