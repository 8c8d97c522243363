"""The exact Ω: second derivatives, and the elimination of private weights."""

import pytest
import torch
from torch import nn

from wpl import diagonal_fisher, exact_omega
from wpl.omega import posterior_hessian, schur_complement

SHARED = ["body.weight", "body.bias"]
PRIVATE = ["head.weight", "head.bias"]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.body(x).tanh())


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Embedding(4, 3), nn.Linear(3, 4)

    def forward(self, x):
        return self.head(self.body(x).cumsum(1).tanh())


@pytest.fixture(params=[Small, Words])
def case(request):
    torch.manual_seed(0)
    model = request.param().double()
    if request.param is Small:
        return model, torch.randn(12, 3).double(), torch.randint(3, (12,))
    return model, torch.randint(4, (12, 5)), torch.randint(4, (12, 5))


def names_of(model):
    return [name for name, _ in model.named_parameters()]


def by_definition(model, x, y, names, precision):
    """Compute the Hessian entry by entry from the loss, written explicitly."""
    p = dict(model.named_parameters())
    log_p = model(x).log_softmax(-1).gather(-1, y.unsqueeze(-1))
    loss = -log_p.sum() / len(x) + precision / 2 * sum((p[n] ** 2).sum() for n in names)
    first = torch.autograd.grad(loss, [p[n] for n in names], create_graph=True)
    rows = [
        torch.cat(
            [
                g.flatten()
                for g in torch.autograd.grad(
                    entry, [p[n] for n in names], retain_graph=True, materialize_grads=True
                )
            ]
        )
        for entry in torch.cat([g.flatten() for g in first])
    ]
    return torch.stack(rows)


def test_hessian_is_that_of_the_posterior_for_any_batches(case):
    model, x, y = case
    expected = by_definition(model, x, y, names_of(model), 0.3)
    for rows in (12, 5):
        batches = zip(x.split(rows), y.split(rows), strict=True)
        found = posterior_hessian(model, batches, parameters=names_of(model), precision=0.3)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_ggn_is_the_fisher_information_over_all_labels(case):
    """It is mean_n Σ_y p(y) g gᵀ over labels and positions; its diagonal is the kind ``exact``."""
    model, x, y = case
    names = names_of(model)
    found = posterior_hessian(model, [(x, y)], parameters=names, curvature="ggn", precision=0.1)
    total = 0.1 * 12 * torch.eye(len(found)).double()
    weights = [model.get_parameter(name) for name in names]
    for row in x:
        logits = model(row.unsqueeze(0))
        log_p = logits.log_softmax(-1).reshape(-1, logits.shape[-1])
        for score in log_p.flatten():
            g = torch.autograd.grad(score, weights, retain_graph=True)
            g = torch.cat([part.flatten() for part in g])
            total += score.exp().detach() * torch.outer(g, g)
    torch.testing.assert_close(found, total / 12, rtol=1e-12, atol=1e-14)
    diagonal = diagonal_fisher(model, [(x, y)], kind="exact")
    flat = torch.cat([diagonal[name].flatten() for name in names])
    torch.testing.assert_close(found.diagonal() - 0.1, flat, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("curvature", ["hessian", "ggn"])
def test_omega_is_the_inverse_of_a_block_of_the_inverse_hessian(case, curvature):
    """(H⁻¹)_ss = Ω⁻¹ is the covariance of the shared weights, integrated over private ones."""
    model, x, y = case
    shared = [name for name in names_of(model) if name.startswith("body")]
    private = [name for name in names_of(model) if name.startswith("head")]
    settings = {"curvature": curvature, "precision": 2.0}
    omega = exact_omega(model, [(x, y)], shared=shared, **settings)
    full = posterior_hessian(model, [(x, y)], parameters=[*shared, *private], **settings)
    covariance = torch.linalg.inv(full)[: len(omega), : len(omega)]
    torch.testing.assert_close(omega, torch.linalg.inv(covariance), rtol=1e-11, atol=1e-13)
    assert torch.equal(omega, omega.T)


def test_omega_is_the_quadratic_form_after_private_weights_adapt():
    """For a quadratic, the minimum over θ_1 of vᵀHv/2, found by descent, is v_sᵀΩv_s/2."""
    torch.manual_seed(0)
    root = torch.randn(6, 9).double()
    full = root @ root.T + 0.5 * torch.eye(6).double()
    v = torch.randn(2).double()
    private = torch.zeros(4).double().requires_grad_()
    lbfgs = torch.optim.LBFGS(
        [private],
        max_iter=200,
        tolerance_grad=1e-14,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def loss():
        step = torch.cat([v, private])
        value = step @ full @ step / 2
        lbfgs.zero_grad()
        value.backward()
        return value

    lbfgs.step(loss)
    expected = v @ schur_complement(full, 2) @ v / 2
    torch.testing.assert_close(loss().detach(), expected, rtol=1e-12, atol=0)


def test_damping_acts_on_the_private_block_only():
    torch.manual_seed(0)
    root = torch.randn(6, 9).double()
    full = root @ root.T
    by_hand = (
        full[:2, :2]
        - full[:2, 2:] @ torch.linalg.inv(full[2:, 2:] + 0.7 * torch.eye(4).double()) @ full[2:, :2]
    )
    torch.testing.assert_close(schur_complement(full, 2, damping=0.7), by_hand, rtol=1e-12, atol=0)
    nothing_adapts = schur_complement(full, 2, damping=1e15)
    torch.testing.assert_close(nothing_adapts, full[:2, :2])


def test_a_single_precision_model_is_computed_in_double():
    torch.manual_seed(0)
    model, x, y = Small(), torch.randn(8, 3), torch.randint(3, (8,))
    single = exact_omega(model, [(x, y)], shared=SHARED, precision=0.5)
    double = exact_omega(model.double(), [(x.double(), y)], shared=SHARED, precision=0.5)
    assert torch.equal(single, double)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shared": ["bdy.weight"]}, "no parameter 'bdy.weight'; it has body.weight"),
        ({"shared": ["body.bias", "body.bias"]}, "one or more names, each once"),
        ({"curvature": "fisher"}, "one of hessian, ggn; got 'fisher'"),
        ({"batches": []}, "batches holds no samples"),
        ({"curvature": "ggn"}, "H_11 is singular with damping 0; give a larger one"),
    ],
)
def test_names_the_culprit(changes, message):
    torch.manual_seed(0)
    model = Small()
    nn.init.zeros_(model.body.weight)
    nn.init.zeros_(model.body.bias)  # dead units, so that the weights of the head have no effect
    arguments = {"batches": [(torch.randn(8, 3), torch.randint(3, (8,)))], "shared": SHARED}
    arguments |= changes
    with pytest.raises(ValueError, match=message):
        exact_omega(model, arguments.pop("batches"), **arguments)
