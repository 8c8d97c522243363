"""Use WPL with Lightning's Trainer: a classifier learns turned digits and retains upright ones.

It is one network with one head, which is trained on upright digits first and then on the same
digits turned by a quarter. Needs lightning, and scikit-learn for its digits.
"""

import argparse
import logging
import warnings

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import wpl
from wpl.integrations.lightning import PlasticityCallback


class Classifier(lightning.LightningModule):
    """A small convolutional network."""

    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(1, 48, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(48, 96, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(96 * 4 * 4, 10),
        )

    def training_step(self, batch, _):
        """Compute the loss of a batch."""
        x, y = batch
        return cross_entropy(self.model(x), y)

    def configure_optimizers(self):
        """Choose the optimiser; its learning rate falls to 0."""
        optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def digits():
    """Return images, upright and turned, and their labels: training data, then test data."""
    x, y = map(torch.from_numpy, load_digits(return_X_y=True))
    x = (x.float() / 8 - 1).reshape(-1, 1, 8, 8)
    upright, turned = TensorDataset(x, y), TensorDataset(x.rot90(dims=(2, 3)), y)
    rows = range(len(x))
    return [
        tuple(TensorDataset(*data[rows[start:stop]]) for start, stop in ((400, None), (0, 400)))
        for data in (upright, turned)
    ]


def train(classifier, data, epochs, callbacks=()):
    """Train for some epochs."""
    trainer = lightning.Trainer(
        max_epochs=epochs,
        callbacks=[*callbacks],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier, DataLoader(data, batch_size=32, shuffle=True))


@torch.no_grad()
def accuracy(classifier, data):
    """Compute the percentage of images that are classified correctly."""
    x, y = data[:]
    return 100 * float((classifier.eval().model(x).argmax(1) == y).double().mean())


def main():
    """Print the accuracy on upright and turned digits before and after training on the turned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6, help="for each kind of images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alpha", type=float, default=300.0)
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")

    lightning.seed_everything(2 * options.seed, verbose=False)
    (upright, upright_test), (turned, turned_test) = digits()
    classifier = Classifier()
    train(classifier, upright, options.epochs)

    def report(when):
        scores = (accuracy(classifier, data) for data in (upright_test, turned_test))
        print("upright: {:.0f} %, turned: {:.0f} %".format(*scores), when)

    report("before the turned ones")

    loader = DataLoader(upright, batch_size=128)
    fisher = wpl.diagonal_fisher(classifier.model, loader, kind="exact")
    anchor = dict(classifier.model.named_parameters())
    plasticity = wpl.WeightPlasticity(anchor, fisher, options.alpha)
    callback = PlasticityCallback(plasticity, submodule="model")
    before = {name: t.clone() for name, t in classifier.state_dict().items()}
    for arm, callbacks in (("without", []), ("with", [callback])):
        lightning.seed_everything(2 * options.seed + 1, verbose=False)
        classifier.load_state_dict(before)
        train(classifier, turned, options.epochs, callbacks)
        report(f"after them {arm} WPL")


if __name__ == "__main__":
    main()
