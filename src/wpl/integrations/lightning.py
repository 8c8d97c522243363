"""The weight plasticity loss in the Trainer of Lightning: ``pip install wpl[lightning]``."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from wpl.plasticity import WeightPlasticity


class PlasticityCallback(Callback):
    """Holds the anchored weights of the module that a Trainer trains; checkpoints include them."""

    def __init__(
        self, plasticity: WeightPlasticity, *, submodule: str = "", pull: bool = False
    ) -> None:
        """Keep what is to be held.

        Args:
            plasticity: The anchors and their strengths; moved to the module's devices.
            submodule: Where the anchored weights are: ``"model"`` if their names are those of
                ``module.model``. By default, they are those of the module itself.
            pull: Take the proximal step, ``pull_``, after each step of the optimiser, in place of
                adding the gradient before it. With Adam this takes another α.
        """
        self.plasticity = plasticity
        self.submodule = submodule
        self.pull = pull
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the anchors to the module's devices."""
        self._steps = trainer.global_step
        self.plasticity.place(self._weights(pl_module))

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Add the gradient of the loss for the weights of this optimiser, before it is clipped."""
        del trainer
        if not self.pull:
            self.plasticity.add_gradient_(self._weights(pl_module), optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *others: Any
    ) -> None:
        """Take the proximal step, if the optimiser has taken one with this batch."""
        del others
        if self.pull and trainer.global_step != self._steps:
            self._steps = trainer.global_step
            for optimizer in trainer.optimizers:
                self.plasticity.pull_(self._weights(pl_module), optimizer)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps."""
        return self.plasticity.state_dict()

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Restore what a checkpoint kept."""
        self.plasticity.load_state_dict(state_dict)

    def _weights(self, module: LightningModule) -> dict[str, Tensor]:
        return dict(module.get_submodule(self.submodule).named_parameters())
