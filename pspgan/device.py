"""Where networks run: the device that was asked for, or the GPU if there is one."""

from __future__ import annotations

import torch


def usable_device(device: str | torch.device | None) -> torch.device:
    """The device, which is there.

    Raises:
        ValueError: there is no such device, or this torch cannot use it.
    """
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        torch.empty(0, device=chosen)
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise ValueError(f"device {chosen} cannot be used ({why}); leave it out, or give cpu") from None
    return chosen
