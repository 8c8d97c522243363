"""The weight plasticity loss in Lightning's Trainer: ``pip install wpl[lightning]``."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from wpl.plasticity import WeightPlasticity


class PlasticityCallback(Callback):
    """Adds the loss to the training of a module by a Trainer; checkpoints include its state."""

    def __init__(
        self, plasticity: WeightPlasticity, *, submodule: str = "", pull: bool = False
    ) -> None:
        """Set up the callback.

        Args:
            plasticity: The anchors and their strengths; moved to the module's devices.
            submodule: The module whose parameter names the anchors have, such as ``"model"`` for
                ``module.model``. By default, the module itself.
            pull: Take the proximal step, ``pull_``, after each step of the optimiser, instead of
                adding the gradient before it. With Adam, this needs another α.
        """
        self.plasticity = plasticity
        self.submodule = submodule
        self.pull = pull
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the anchors to the module's devices; see ``Callback``."""
        self._steps = trainer.global_step
        self.plasticity.place(self._weights(pl_module))

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Add the gradient for the weights of this optimiser, before clipping; see ``Callback``."""
        del trainer
        if not self.pull:
            self.plasticity.add_gradient_(self._weights(pl_module), optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *others: Any
    ) -> None:
        """Take the proximal step, if the optimiser has taken a step; see ``Callback``."""
        del others
        if self.pull and trainer.global_step != self._steps:
            self._steps = trainer.global_step
            for optimizer in trainer.optimizers:
                self.plasticity.pull_(self._weights(pl_module), optimizer)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint; as in ``WeightPlasticity.state_dict``."""
        return self.plasticity.state_dict()

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Restore the state of a checkpoint; as in ``WeightPlasticity.load_state_dict``."""
        self.plasticity.load_state_dict(state_dict)

    def _weights(self, module: LightningModule) -> dict[str, Tensor]:
        return dict(module.get_submodule(self.submodule).named_parameters())
