"""Small architectures, one for each way in which weights are used and samples can interact."""

import torch
import torch.nn.functional as F
from torch import nn

CLASSES, VOCABULARY, TIME, WIDTH = 3, 7, 4, 6


class Function(nn.Module):
    """A forward pass written as a function of the module."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def image(*layers, channels):
    return nn.Sequential(
        *layers, nn.Tanh(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, CLASSES)
    )


def convolution(*args, channels=4, **kwargs):
    return image(nn.Conv2d(4, channels, *args, **kwargs), channels=channels)


def statistics(norm):
    norm.running_mean.uniform_()
    norm.running_var.uniform_(0.5, 2)
    return norm


def separable():
    return image(
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        nn.Conv2d(4, 5, 1, bias=False),
        statistics(nn.BatchNorm2d(5, affine=False)),
        channels=5,
    )


def searched(m, x):
    """Compute a convolutional cell: separable convolutions and pooling of two earlier states."""
    a = m.stem(x)
    b = F.conv2d(F.conv2d(F.relu(a), m.depth, padding=1, groups=4), m.point)
    c = F.batch_norm(b, m.norm.running_mean, m.norm.running_var) + F.avg_pool2d(a, 3, 1, 1)
    d = F.max_pool2d(a, 3, 1, 1) + c
    return m.head(torch.cat([c, d], 1).mean((2, 3)))


def highway(m, x):
    """Compute a tied recurrent highway cell; products with inputs are computed before the loop."""
    inputs = F.linear(F.embedding(x, m.embedding.weight), m.w_x)  # (batch, time, 2 · width)
    h = inputs.new_zeros(len(x), WIDTH)
    states = []
    for t in range(x.shape[1]):
        c, g = (inputs[:, t] + F.linear(h, m.w_h)).chunk(2, -1)
        c = torch.sigmoid(c)
        h = c * torch.tanh(g) + (1 - c) * h
        c, g = F.linear(h, m.w_d).chunk(2, -1)
        h = h + torch.sigmoid(c) * (torch.relu(g) - h)
        states.append(h)
    return F.linear(torch.stack(states, 1), m.embedding.weight, m.bias)


def matrix(*shape):
    return nn.Parameter(torch.randn(*shape) / 2)


def language(body, *, tied=False, width=WIDTH):
    embedding, decoder = nn.Embedding(VOCABULARY, WIDTH), nn.Linear(width, VOCABULARY)
    if tied:
        decoder.weight = embedding.weight
    return Function(
        lambda m, x: m.decoder(body_of(m)(m.embedding(x))),
        embedding=embedding,
        body=body,
        decoder=decoder,
    )


def body_of(m):
    if isinstance(m.body, nn.RNNBase):
        return lambda e: m.body(e)[0]
    return m.body


def time_first(body):
    """Call a body that takes torch's default layout ``(time, batch, ...)``."""
    return Function(lambda m, e: body_of(m)(e.transpose(0, 1)).transpose(0, 1), body=body)


def encoder(**kwargs):
    return nn.TransformerEncoderLayer(WIDTH, 2, 8, dropout=0.1, **kwargs)


def causal(m, e):
    mask = torch.ones(e.shape[1], e.shape[1], dtype=torch.bool, device=e.device).triu(1)
    return m.encoder(e, src_mask=mask)


def nested():
    inner = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sequential(nn.GELU(), nn.Linear(WIDTH, 5)))
    return nn.Sequential(nn.ModuleDict({"a": inner})["a"], nn.ReLU(), nn.Linear(5, CLASSES))


def frozen():
    model = nn.Sequential(
        nn.Linear(WIDTH, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, CLASSES)
    )
    model[2].requires_grad_(requires_grad=False)
    return model


def reused(m, x):
    for _ in range(3):
        x = m.layer(x).tanh()
    return m.head(x)


def twice(m, x):
    x = torch.relu(m.conv(x))
    return m.head(torch.relu(m.conv(F.avg_pool2d(x, 2))).mean((2, 3)))


def flattened(m, x):
    """Flatten sequences time-major before the decoder, as older language models do."""
    e = m.embedding(x.t())  # (time, batch, width)
    logits = m.decoder(m.lstm(e)[0].reshape(-1, WIDTH))
    return logits.view(x.shape[1], x.shape[0], -1).transpose(0, 1)


def rows(shape):
    return lambda batch: (
        torch.randn(batch, *shape, dtype=torch.float64),
        torch.randint(CLASSES, (batch,)),
    )


def tokens(batch, time=TIME):
    return torch.randint(VOCABULARY, (batch, time)), torch.randint(VOCABULARY, (batch, time))


VECTORS, IMAGES, SERIES = rows((WIDTH,)), rows((4, 7, 6)), rows((4, 9))
LSTM = {"batch_first": True}


def steps(m, e):
    """Call a cell word by word, starting with its default state."""
    state, states = None, []
    for word in e.unbind(1):
        state = m.cell(word, state)
        states.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(states, 1)


def stepped(cell):
    return language(Function(steps, cell=cell))


def autoencoder(m, x):
    """Use one matrix for encoding and decoding, once from the left and once from the right."""
    return m.head(F.linear(torch.tanh(x @ m.weight), m.weight))


def named(m, x):
    return torch.matmul(m.layer(x), other=m.weight)


def called(m, e):
    """Call the functional form of a cell with keyword arguments."""
    h = e.new_zeros(len(e), WIDTH)
    for word in e.unbind(1):
        h = torch.gru_cell(word, h, w_ih=m.w_x, w_hh=m.w_h, b_ih=m.b_x, b_hh=m.b_h)
    return h.unsqueeze(1).expand_as(e)


def products(m, x):
    return torch.tanh(torch.tanh(x @ m.a) @ m.b) @ m.b @ m.c


def flipped(m, x):
    return m.head(torch.relu(F.linear(x, m.layer.weight.flip(0))))


def transposed(m, x):
    """Use a weight in known ways and in one unknown way."""
    return m.head(torch.tanh(m.layer(x)) @ m.layer.weight.t())


def positions(m, x):
    """Pass a table with one row per time step, without the batch dimension, through a layer."""
    return m.decoder(torch.tanh(m.embedding(x) + m.layer(m.table)))


def selected(m, x):
    return m.head(torch.tanh(F.linear(x[:, :3], m.layer.weight[:, :3])))


def scaled(m, x):
    return F.relu(m.layer(x) * m.scale) @ m.out + m.shift


def shifts(m, x):
    """Add two parameters, which have the same gradient."""
    return m.head(torch.tanh(m.layer(x) + (m.a + m.b)))


def filled(m, x):
    """Write states into a buffer with time first."""
    e = m.embedding(x)
    out = e.new_zeros(x.shape[1], len(x), WIDTH)
    for t in range(x.shape[1]):
        out[t] = torch.tanh(m.layer(e[:, t]))
    return m.decoder(out.transpose(0, 1))


class Product(torch.autograd.Function):
    """A product without a rule for ``torch.vmap``."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return torch.mm(x, weight)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight.t(), x.t() @ gradient


def hidden(m, x):
    return m.head(torch.tanh(Product.apply(m.layer(x), m.weight)))


def attending(m, e):
    return m.attention(e, e, e)[0]


# All their parameters have closed forms.
KNOWN = {
    "perceptron": (
        lambda: nn.Sequential(
            nn.Linear(WIDTH, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, CLASSES)
        ),
        VECTORS,
    ),
    "no bias": (
        lambda: nn.Sequential(nn.Linear(WIDTH, 5, bias=False), nn.Tanh(), nn.Linear(5, CLASSES)),
        VECTORS,
    ),
    "nested": (nested, VECTORS),
    "frozen": (frozen, VECTORS),
    "one layer thrice": (
        lambda: Function(reused, layer=nn.Linear(WIDTH, WIDTH), head=nn.Linear(WIDTH, CLASSES)),
        VECTORS,
    ),
    "in place": (
        lambda: nn.Sequential(nn.Linear(WIDTH, 5), nn.ReLU(inplace=True), nn.Linear(5, CLASSES)),
        VECTORS,
    ),
    "strided": (lambda: convolution(3, stride=2, padding=1), IMAGES),
    "dilated": (lambda: convolution(3, dilation=2, padding=2), IMAGES),
    "oblong": (lambda: convolution((3, 2), stride=(1, 2), padding=(0, 1)), IMAGES),
    "same padding": (lambda: convolution(3, padding="same"), IMAGES),
    "grouped": (lambda: convolution(3, padding=1, groups=2), IMAGES),
    "depthwise": (lambda: convolution(3, padding=1, groups=4, channels=8), IMAGES),
    "depthwise, with steps": (
        lambda: convolution(3, padding=2, stride=2, dilation=2, groups=4, channels=4),
        IMAGES,
    ),
    "pointwise": (lambda: convolution(1), IMAGES),
    "pointwise strided": (lambda: convolution(1, stride=2), IMAGES),
    "as large as the image": (lambda: convolution((7, 6)), IMAGES),
    "separable": (separable, IMAGES),
    "searched cell": (
        lambda: Function(
            searched,
            stem=nn.Conv2d(4, 4, 3, padding=1),
            depth=matrix(4, 1, 3, 3),
            point=matrix(4, 4, 1, 1),
            norm=statistics(nn.BatchNorm2d(4, affine=False)),
            head=nn.Linear(8, CLASSES),
        ),
        IMAGES,
    ),
    "one convolution twice": (
        lambda: Function(twice, conv=nn.Conv2d(4, 4, 3, padding=1), head=nn.Linear(4, CLASSES)),
        IMAGES,
    ),
    "in one direction": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 5, 3, stride=2, padding=1),
            nn.Tanh(),
            nn.AdaptiveAvgPool1d(2),
            nn.Flatten(),
            nn.Linear(10, CLASSES),
        ),
        SERIES,
    ),
    "in three directions": (
        lambda: nn.Sequential(
            nn.Unflatten(1, (2, 2)),
            nn.Conv3d(2, 3, 2),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(90, CLASSES),
        ),
        IMAGES,
    ),
    "batch norm": (
        lambda: image(nn.Conv2d(4, 5, 3, bias=False), statistics(nn.BatchNorm2d(5)), channels=5),
        IMAGES,
    ),
    "batch norm of vectors": (
        lambda: nn.Sequential(
            nn.Linear(WIDTH, 5), statistics(nn.BatchNorm1d(5)), nn.Linear(5, CLASSES)
        ),
        VECTORS,
    ),
    "group norm": (
        lambda: image(nn.Conv2d(4, 6, 3), nn.GroupNorm(2, 6), nn.ReLU(inplace=True), channels=6),
        IMAGES,
    ),
    "layer norm": (
        lambda: nn.Sequential(
            nn.Linear(WIDTH, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, CLASSES)
        ),
        VECTORS,
    ),
    "layer norm of images": (lambda: image(nn.LayerNorm((4, 7, 6)), channels=4), IMAGES),
    "RMS norm": (lambda: language(nn.RMSNorm(WIDTH)), tokens),
    "linear over time": (lambda: language(nn.Linear(WIDTH, WIDTH)), tokens),
    "tied": (lambda: language(nn.Linear(WIDTH, WIDTH), tied=True), tokens),
    "padding index": (
        lambda: nn.Sequential(
            nn.Embedding(VOCABULARY, WIDTH, padding_idx=2), nn.Linear(WIDTH, VOCABULARY)
        ),
        tokens,
    ),
    "LSTM": (lambda: language(nn.LSTM(WIDTH, WIDTH, **LSTM), tied=True), tokens),
    "LSTM, time first": (lambda: language(time_first(nn.LSTM(WIDTH, 5, 2)), width=5), tokens),
    "LSTM, both ways": (lambda: language(nn.LSTM(WIDTH, 3, 2, bidirectional=True, **LSTM)), tokens),
    "LSTM, flattened": (
        lambda: Function(
            flattened,
            embedding=nn.Embedding(VOCABULARY, WIDTH),
            lstm=nn.LSTM(WIDTH, WIDTH, bias=False),
            decoder=nn.Linear(WIDTH, VOCABULARY),
        ),
        tokens,
    ),
    "GRU": (lambda: language(nn.GRU(WIDTH, WIDTH, 2, **LSTM)), tokens),
    "RNN": (lambda: language(nn.RNN(WIDTH, WIDTH, **LSTM)), tokens),
    "RNN of rectifiers": (
        lambda: language(time_first(nn.RNN(WIDTH, WIDTH, nonlinearity="relu"))),
        tokens,
    ),
    "highway cell": (
        lambda: Function(
            highway,
            embedding=nn.Embedding(VOCABULARY, WIDTH),
            w_x=matrix(2 * WIDTH, WIDTH),
            w_h=matrix(2 * WIDTH, WIDTH),
            w_d=matrix(2 * WIDTH, WIDTH),
            bias=matrix(VOCABULARY),
        ),
        tokens,
    ),
    "LSTM cell": (lambda: stepped(nn.LSTMCell(WIDTH, WIDTH)), tokens),
    "GRU cell": (lambda: stepped(nn.GRUCell(WIDTH, WIDTH)), tokens),
    "RNN cell": (lambda: stepped(nn.RNNCell(WIDTH, WIDTH, bias=False)), tokens),
    "RNN cell of rectifiers": (
        lambda: stepped(nn.RNNCell(WIDTH, WIDTH, nonlinearity="relu")),
        tokens,
    ),
    "products": (
        lambda: Function(products, a=matrix(WIDTH, 5), b=matrix(5, 5), c=matrix(5, CLASSES)),
        VECTORS,
    ),
    "cell called by name": (
        lambda: language(
            Function(
                called,
                w_x=matrix(3 * WIDTH, WIDTH),
                w_h=matrix(3 * WIDTH, WIDTH),
                b_x=matrix(3 * WIDTH),
                b_h=matrix(3 * WIDTH),
            )
        ),
        tokens,
    ),
    "autoencoder": (
        lambda: Function(autoencoder, weight=matrix(WIDTH, 5), head=nn.Linear(WIDTH, CLASSES)),
        VECTORS,
    ),
    "products over time": (
        lambda: language(
            Function(products, a=matrix(WIDTH, 5), b=matrix(5, 5), c=matrix(5, WIDTH))
        ),
        tokens,
    ),
    "transformer": (lambda: language(encoder(batch_first=True)), tokens),
    "transformer, time first": (lambda: language(time_first(encoder(norm_first=True))), tokens),
    "causal transformer": (
        lambda: language(Function(causal, encoder=encoder(batch_first=True))),
        tokens,
    ),
    "transposed": (
        lambda: Function(transposed, layer=nn.Linear(WIDTH, WIDTH), head=nn.Linear(WIDTH, CLASSES)),
        VECTORS,
    ),
    "product by name": (
        lambda: Function(named, layer=nn.Linear(WIDTH, 5), weight=matrix(5, CLASSES)),
        VECTORS,
    ),
    "transposed convolution": (lambda: image(nn.ConvTranspose2d(4, 5, 3), channels=5), IMAGES),
    "attention with weights": (
        lambda: language(
            Function(attending, attention=nn.MultiheadAttention(WIDTH, 2, batch_first=True))
        ),
        tokens,
    ),
    "written into a buffer": (
        lambda: Function(
            filled,
            embedding=nn.Embedding(VOCABULARY, WIDTH),
            layer=nn.Linear(WIDTH, WIDTH),
            decoder=nn.Linear(WIDTH, VOCABULARY),
        ),
        tokens,
    ),
}


# Some or all of their parameters have no closed form.
UNKNOWN = {
    "flipped": (
        lambda: Function(flipped, layer=nn.Linear(WIDTH, 5), head=nn.Linear(5, CLASSES)),
        VECTORS,
        ["layer.weight"],
    ),
    "positions": (
        lambda: Function(
            positions,
            embedding=nn.Embedding(VOCABULARY, WIDTH),
            layer=nn.Linear(WIDTH, WIDTH),
            table=matrix(TIME, WIDTH),
            decoder=nn.Linear(WIDTH, VOCABULARY),
        ),
        tokens,
        ["layer.weight", "layer.bias", "table"],
    ),
    "a part of a weight": (
        lambda: Function(
            selected, layer=nn.Linear(WIDTH, 5, bias=False), head=nn.Linear(5, CLASSES)
        ),
        VECTORS,
        ["layer.weight"],
    ),
    "scaled": (
        lambda: Function(
            scaled,
            layer=nn.Linear(WIDTH, 5),
            scale=matrix(5),
            out=matrix(5, CLASSES),
            shift=matrix(CLASSES),
        ),
        VECTORS,
        ["scale", "shift"],
    ),
    "two shifts": (
        lambda: Function(
            shifts,
            layer=nn.Linear(WIDTH, 5),
            a=matrix(1, 5),
            b=matrix(1, 5),
            head=nn.Linear(5, CLASSES),
        ),
        VECTORS,
        ["a", "b"],
    ),
    "PReLU": (
        lambda: nn.Sequential(nn.Linear(WIDTH, 5), nn.PReLU(5), nn.Linear(5, CLASSES)),
        VECTORS,
        ["1.weight"],
    ),
    "weight norm": (
        lambda: nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(WIDTH, 5)),
            nn.Tanh(),
            nn.Linear(5, CLASSES),
        ),
        VECTORS,
        ["0.parametrizations.weight.original0", "0.parametrizations.weight.original1"],
    ),
    "hidden in a function": (
        lambda: Function(
            hidden, layer=nn.Linear(WIDTH, 5), weight=matrix(5, 4), head=nn.Linear(4, CLASSES)
        ),
        VECTORS,
        ["weight"],
    ),
}


def centred(m, x):
    h = m.layer(x)
    return m.head(h - h.mean(0))


def compared(m, x):
    """Let samples attend to each other."""
    h = m.layer(x)
    return m.head(torch.softmax(h @ h.t(), -1) @ h)


def decided(m, x):
    h = m.layer(x)
    return m.head(h.relu() if h.mean() > 0 else h.tanh())


def shifted(m, x):
    h = m.layer(x)
    h[1:] = h[1:] + h[:-1].detach()
    return m.head(h)


def accumulated(m, x):
    return m.head(m.layer(x).cumsum(0))


def misread(m, x):
    """Call a recurrent layer that treats the samples as time steps."""
    return m.decoder(m.lstm(m.embedding(x))[0])


def squared(m, x):
    """Multiply with as many time steps as samples, so that the shape looks like that of a layer."""
    e = m.embedding(x)
    return m.decoder(torch.einsum("nth,sth->nth", e, e))


# Their samples interact, or may: only a sample in a batch of its own has a gradient of its own.
MIXING = {
    "centred": (
        lambda: Function(centred, layer=nn.Linear(WIDTH, 5), head=nn.Linear(5, CLASSES)),
        VECTORS,
    ),
    "compared": (
        lambda: Function(compared, layer=nn.Linear(WIDTH, 5), head=nn.Linear(5, CLASSES)),
        VECTORS,
    ),
    "decided": (
        lambda: Function(decided, layer=nn.Linear(WIDTH, 5), head=nn.Linear(5, CLASSES)),
        VECTORS,
    ),
    "shifted": (
        lambda: Function(shifted, layer=nn.Linear(WIDTH, 5), head=nn.Linear(5, CLASSES)),
        VECTORS,
    ),
    "accumulated": (
        lambda: Function(accumulated, layer=nn.Linear(WIDTH, 5), head=nn.Linear(5, CLASSES)),
        VECTORS,
    ),
    "LSTM over samples": (
        lambda: Function(
            misread,
            embedding=nn.Embedding(VOCABULARY, WIDTH),
            lstm=nn.LSTM(WIDTH, WIDTH),
            decoder=nn.Linear(WIDTH, VOCABULARY),
        ),
        tokens,
    ),
    "transformer over samples": (lambda: language(encoder()), tokens),
    "squared": (
        lambda: Function(
            squared, embedding=nn.Embedding(VOCABULARY, WIDTH), decoder=nn.Linear(WIDTH, VOCABULARY)
        ),
        tokens,
    ),
}


def build(table, name, batch=TIME, seed=0):
    """Make a model in double precision and data; by default with as many samples as time steps."""
    torch.manual_seed(seed)
    model, data, *rest = table[name]
    return model().double().eval(), *data(batch), *rest
