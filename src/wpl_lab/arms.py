"""The table of arms: everything that the experiments, the rules and the figures use of each arm.

To add an arm, add an entry: it is then accepted in params.yaml, run where its ``default`` says, and
part of every table and figure. Jobs of the other arms do not run again.
"""

from wpl_lab.arm import Arm, Comparison

TWO_MODELS: tuple[Comparison, ...] = ("shared", "headline")
SPLIT: tuple[Comparison, ...] = ("split",)
SEARCH: tuple[Comparison, ...] = ("enas", "uniform", "nao", "full")

# Colours of twelve arms in one figure differ for any kind of colour vision (tests/test_arms.py).
_ENTRIES = (
    Arm(
        name="none",
        title="no remedy",
        colour="#444444",
        marker="s",
        applies=TWO_MODELS + SPLIT + SEARCH,
        default=("shared", "split", "enas", "uniform", "nao", "full"),
    ),
    Arm(
        name="wpl",
        title="WPL",
        colour="#0072B2",
        marker="o",
        applies=TWO_MODELS + SEARCH,
        default=("shared", "enas", "uniform", "nao", "full"),
        importance=lambda fisher: fisher,
        section="wpl",
        reference=True,
    ),
    Arm(
        name="ewc",
        title="EWC",
        colour="#332288",
        marker="o",
        applies=SPLIT,
        default=("split",),
        # WPL where all weights are shared and the data is new (Kirkpatrick et al., 2017).
        importance=lambda fisher: fisher,
        reference=True,
    ),
    Arm(
        name="l2",
        title="uniform anchor (L2)",
        colour="#E69F00",
        marker="^",
        applies=TWO_MODELS + SPLIT + SEARCH,
        default=("shared", "split"),
        importance=lambda fisher: fisher.new_ones(fisher.shape),
        section="l2",
    ),
    Arm(
        name="frozen",
        title="shared layers frozen",
        colour="#BBBBBB",
        marker="D",
        applies=TWO_MODELS,
        default=("shared",),
        trains="private",
    ),
    Arm(
        name="joint",
        title="A and B together",
        colour="#117733",
        marker="P",
        applies=TWO_MODELS + SPLIT,
        default=("shared", "split"),
        trains="both",
    ),
    Arm(
        name="floor",
        title="WPL with a floor",
        colour="#00C2F9",
        marker="v",
        line="--",
        applies=TWO_MODELS,
        default=("headline",),
        importance=lambda fisher, floor: fisher + floor,
        section="floor",
    ),
    Arm(
        name="omega",
        title="exact Ω",
        colour="#8400CD",
        marker="X",
        applies=("headline",),
        default=("headline",),
        importance=lambda omega: omega,
        section="omega",
    ),
    Arm(
        name="si",
        title="synaptic intelligence",
        colour="#661100",
        marker="<",
        applies=TWO_MODELS + SPLIT,
        default=("headline", "split"),
        # Zenke, Poole, Ganguli, "Continual Learning Through Synaptic Intelligence" (2017), eq. 5;
        # no importance where the loss has risen, as in the authors' release.
        importance=lambda fall, moved, damping: fall.clamp(min=0) / (moved.square() + damping),
        section="si",
    ),
    Arm(
        name="mas",
        title="memory aware synapses",
        colour="#CC6677",
        marker=">",
        applies=TWO_MODELS + SPLIT,
        default=("headline", "split"),
        importance=lambda mas: mas,
        section="mas",
    ),
    Arm(
        name="wpl_decay",
        title="WPL, α decaying",
        colour="#008DF9",
        marker="v",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        alpha_decays=True,
    ),
    Arm(
        name="slow",
        title="smaller learning rate",
        colour="#AA3377",
        marker="d",
        applies=SEARCH,
        default=("uniform",),
        slows=True,
    ),
    Arm(
        name="slow_wpl",
        title="smaller learning rate and WPL",
        colour="#AA3377",
        marker="o",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        slows=True,
    ),
    Arm(
        name="replay",
        title="replay",
        colour="#117733",
        marker="X",
        applies=SEARCH,
        default=("uniform",),
        replays=True,
    ),
    Arm(
        name="replay_wpl",
        title="replay and WPL",
        colour="#117733",
        marker="o",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        replays=True,
    ),
    Arm(
        name="fair",
        title="fair steps",
        colour="#999933",
        marker="<",
        applies=SEARCH,
        trains_together=True,
    ),
    Arm(
        name="fair_wpl",
        title="fair steps and WPL",
        colour="#999933",
        marker="o",
        line="--",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        trains_together=True,
    ),
    Arm(
        name="wpl_gradient",
        title="WPL, clipped gradient",
        colour="#CC79A7",
        marker="h",
        applies=SEARCH,
        importance=lambda fisher: fisher,
        adds_gradient=True,
    ),
    Arm(
        name="drop_path",
        title="drop-path",
        colour="#D55E00",
        marker="P",
        applies=SEARCH,
        drops_paths=True,
    ),
)

ARMS = {arm.name: arm for arm in _ENTRIES}
"""Every arm by its name, in the order in which tables and legends list them."""
