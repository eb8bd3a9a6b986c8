"""The device that torch runs a model on in this process.

Which devices there are, told without torch, is in `devices`.
"""

from __future__ import annotations

import torch


def device_facts(device: torch.device) -> dict[str, str]:
    """What decides how numbers are rounded: the kind of a device, not which of several it is."""
    if device.type != "cuda":
        return {"device": device.type}
    return {"device": device.type, "device_name": torch.cuda.get_device_name(device)}


def settle_on(device: torch.device) -> None:
    """Let torch take a GPU for all that names none, which would take memory of the first, too."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
