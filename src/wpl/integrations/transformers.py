"""The weight plasticity loss in Hugging Face's Trainer: ``pip install wpl[transformers]``."""

from typing import Any

from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from wpl.plasticity import WeightPlasticity


class PlasticityCallback(TrainerCallback):
    """Adds the loss to the training of a model by a Trainer.

    The names of the anchors are those of ``model.named_parameters()``, for the model that the
    Trainer is given: a model with LoRA adapters is anchored after ``get_peft_model``.
    """

    def __init__(self, plasticity: WeightPlasticity, *, pull: bool = False) -> None:
        """Set up the callback.

        Args:
            plasticity: The anchors and their strengths; moved to the model's devices.
            pull: Take the proximal step, ``pull_``, after each step of the optimiser, instead of
                adding the gradient before it. With Adam, this needs another α.
        """
        self.plasticity = plasticity
        self.pull = pull

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **given: Any,
    ) -> None:
        """Check the training arguments, and move the anchors; see ``TrainerCallback``.

        Raises:
            ValueError: If the weights are sharded, if their gradients are scaled, or if an anchored
                weight is missing or has another shape.
        """
        del state, control
        if args.deepspeed or args.fsdp:
            raise ValueError("PlasticityCallback needs whole weights; got DeepSpeed or FSDP shards")
        if args.fp16 and args.max_grad_norm <= 0 and not self.pull:
            raise ValueError(
                "with fp16 the gradients are scaled until they are clipped: set max_grad_norm "
                f"above 0, or pull=True; got max_grad_norm={args.max_grad_norm}"
            )
        self.plasticity.place(_weights(given))

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **given: Any,
    ) -> None:
        """Add the gradient of the loss, after clipping; see ``TrainerCallback``."""
        del args, state, control
        if not self.pull:
            self.plasticity.add_gradient_(_weights(given))

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **given: Any,
    ) -> None:
        """Take the proximal step with the optimiser's learning rates; see ``TrainerCallback``."""
        del args, state, control
        if self.pull:
            self.plasticity.pull_(_weights(given), given["optimizer"])


def _weights(given: dict[str, Any]) -> dict[str, Tensor]:
    return dict(given["model"].named_parameters())
