"""Many completions of few prompts: which checkpoints, which prompts, distinct completions."""
