"""`FAMILIES[name](folder, sizes)` writes a family's models and feeds to `folder` and returns its `Family`."""

from .branches import branches
from .experts import moe, moe_prefill, moe_token
from .family import Family, Load
from .halting import act, early_exit
from .modules import acm_mlp, acm_vit

FAMILIES = {f.__name__: f for f in (acm_mlp, acm_vit, moe, moe_prefill, moe_token, act, early_exit, branches)}

__all__ = ["FAMILIES", "Family", "Load"]
