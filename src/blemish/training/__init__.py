"""THE loop, and what it trains on: objective, batches, augmentation, optimiser, schedules."""

from blemish.core.parts import Parts

CORRUPTIONS = Parts(
    {
        "gaussian": "blemish.training.augmentation:Gaussian",
        "mask": "blemish.training.augmentation:Mask",
        "swap": "blemish.training.augmentation:Swap",
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
        "swap_columns": "blemish.training.augmentation:swap_columns",
        "cut_paste": "blemish.training.augmentation:cut_paste",
        "time_warp": "blemish.training.augmentation:time_warp",
    }
)
SCHEDULES = Parts(
    {
        "constant": "blemish.training.optimizer:Constant",
        "one_cycle": "blemish.training.optimizer:OneCycle",
        "cosine_warm_restarts": "blemish.training.optimizer:CosineWarmRestarts",
    }
)

__all__ = ["AUGMENTATIONS", "CORRUPTIONS", "SCHEDULES", "SYNTHETIC"]
