"""The wording of prompts, by source format and prompt style."""
