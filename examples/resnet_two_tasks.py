"""Use WPL in a torchvision ResNet that is trained on two tasks in turn: digits 0 to 4, then 5 to 9.

Each task has a head of its own on the same body. Needs torchvision, and scikit-learn for its
digits.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18

import wpl


def task(low, images):
    """Return training and test data of five digits: images with three channels, labels from 0."""
    x, y = map(torch.from_numpy, load_digits(return_X_y=True))
    x = (x.float() / 8 - 1).reshape(-1, 1, 8, 8).expand(-1, 3, -1, -1)
    mine = (y >= low) & (y < low + 5)
    x, y = x[mine], y[mine] - low
    return (x[200:][:images], y[200:][:images]), (x[:200], y[:200])


def train(model, data, epochs, plasticity=None):
    """Train a model with or without WPL, in its current mode (train or eval)."""
    x, y = data
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            cross_entropy(model(x[batch]), y[batch]).backward()
            if plasticity:
                plasticity.add_gradient_(dict(model.named_parameters()))
            optimizer.step()


@torch.no_grad()
def accuracy(model, data):
    """Compute the percentage of images that the model classifies correctly."""
    x, y = data
    return 100 * (model(x).argmax(1) == y).double().mean().item()


def main():
    """Print the accuracy on the first task before and after the second, with and without WPL."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500, help="of each task")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--alpha", type=float, default=1e5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(2 * options.seed)
    (old, old_test), (new, new_test) = (task(low, options.images) for low in (0, 5))
    body = resnet18()  # or with weights="DEFAULT"
    body.layer4, body.fc = nn.Identity(), nn.Linear(256, 64)  # one stage less, for 8×8 pixels
    first = nn.Sequential(body, nn.Linear(64, 5))
    train(first, old, options.epochs)

    # Eval mode from here on, so that batch norm keeps the statistics of the first task. They are
    # buffers, which WPL does not anchor, and other statistics would change the input of the first
    # head. Moreover, in train mode samples have no gradients of their own: batch norm mixes them.
    first.eval()
    print(f"first task: {accuracy(first, old_test):.0f} % before the second")
    shared = {name: p for name, p in first.named_parameters() if name.startswith("0.")}
    fisher = wpl.diagonal_fisher(first, [old], parameters=shared)
    anchor = {name: p.detach().clone() for name, p in shared.items()}
    for arm, alpha in (("without", 0.0), ("with", options.alpha)):
        torch.manual_seed(2 * options.seed + 1)
        first.load_state_dict(anchor, strict=False)
        second = nn.Sequential(body, nn.Linear(64, 5)).eval()
        train(second, new, options.epochs, wpl.WeightPlasticity(anchor, fisher, alpha))
        print(f"first task: {accuracy(first, old_test):.0f} % after it {arm} WPL;", end=" ")
        print(f"second task: {accuracy(second, new_test):.0f} %")


if __name__ == "__main__":
    main()
