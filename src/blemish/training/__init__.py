"""THE loop, and what it trains on: objective, batches, augmentation, optimiser, schedules."""

from blemish.core.parts import Parts

CORRUPTIONS = Parts(
    {
        "gaussian": "blemish.training.corruptions:Gaussian",
        "mask": "blemish.training.corruptions:Mask",
        "swap": "blemish.training.corruptions:Swap",
    }
)
AUGMENTATIONS = Parts(
    {
        "hide_boxes": "blemish.training.augmentation:hide_boxes",
        "hide_columns": "blemish.training.augmentation:hide_columns",
    }
)
SYNTHETIC = Parts(
    {
        "swap_columns": "blemish.training.synthetic:swap_columns",
        "cut_paste": "blemish.training.synthetic:cut_paste",
        "time_warp": "blemish.training.synthetic:time_warp",
    }
)
SCHEDULES = Parts(
    {
        "constant": "blemish.training.schedules:Constant",
        "one_cycle": "blemish.training.schedules:OneCycle",
        "cosine_warm_restarts": "blemish.training.schedules:CosineWarmRestarts",
    }
)

__all__ = ["AUGMENTATIONS", "CORRUPTIONS", "SCHEDULES", "SYNTHETIC"]
