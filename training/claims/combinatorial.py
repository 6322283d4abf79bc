"""Claim: Boltzmann machines solve combinatorial problems, given time.

python training/claims/combinatorial.py
python training/claims/combinatorial.py --variants sweeps_10,sweeps_1000 --seeds 0

The problem is the maximum cut of a graph: its nodes are parted in two so that as many
edges as possible go between. A Boltzmann machine whose energy is minus the cut is
cooled down, in few sweeps over its units or in many.

References:
    Korst and Aarts, Combinatorial Optimization on a Boltzmann Machine, 1989.
    Kirkpatrick, Gelatt and Vecchi, Optimization by Simulated Annealing, 1983.
"""

import find_training  # noqa: F401, I001

import dataclasses
import functools

import numpy as np
import repeated_runs
from script_helpers import flag, parse_flags

from gen_keras.metrics.annealed_importance_sampling import binary_states
from gen_keras.models.boltzmann_machines.boltzmann_machine import max_cut

NUM_GRAPHS = 20
SMALL, LARGE = 20, 200  # Nodes: what can be enumerated, and what cannot.


@dataclasses.dataclass
class Config(repeated_runs.Config):
    """What to run."""

    log_dir: str = flag("runs/combinatorial", "folder for the figures of the runs")


def make_graph(num_nodes, seed):
    """Returns a random graph, half of whose edges are there, as a 0/1 matrix."""
    upper = np.triu(np.random.default_rng(seed).random((num_nodes, num_nodes)) < 0.5, 1)
    return (upper | upper.T).astype("float32")


@functools.cache
def find_maximum(seed):
    """Returns the maximum cut of a small graph, by trying all of them."""
    graph = make_graph(SMALL, seed)
    states = binary_states(SMALL - 1)  # The last node may stay on one side.
    states = np.concatenate([states, np.zeros((len(states), 1))], axis=1)
    return ((states @ graph) * (1 - states)).sum(axis=1).max()


def anneal(graph, seed, num_sweeps):
    """Returns the cut that one chain finds."""
    scales = np.geomspace(0.05, 10.0, num_sweeps)
    return max_cut(graph, scales, num_samples=1, seed=seed)[1]


def cut_at_random(graph, seed):
    """Returns the cut by coins."""
    sides = np.random.default_rng(seed).integers(0, 2, len(graph))
    return float(sides @ graph @ (1 - sides))


def search_locally(graph, seed):
    """Returns the cut that no change of a single node makes larger."""
    sides = np.random.default_rng(seed).integers(0, 2, len(graph))
    while True:
        # Of a change of each node: its edges to its own side, less those across.
        signs = 2 * sides - 1
        gains = signs * (graph @ signs)
        if gains.max() <= 0:
            return float(sides @ graph @ (1 - sides))
        best = gains.argmax()
        sides[best] = 1 - sides[best]


VARIANTS = {"random": cut_at_random, "local_search": search_locally} | {
    f"sweeps_{count}": functools.partial(anneal, num_sweeps=count)
    for count in (1, 10, 100, 1000)
}


def run(name, seed, config):
    """Returns how good the cuts of one method are."""
    find = VARIANTS[name]
    seeds = [1000 * seed + i for i in range(NUM_GRAPHS)]
    ratios = [find(make_graph(SMALL, s), s) / find_maximum(s) for s in seeds]
    shares = []
    for s in seeds:
        graph = make_graph(LARGE, s)
        shares.append(find(graph, s) / (graph.sum() / 2))
    return {
        "share_of_maximum": np.mean(ratios),
        "solved": np.mean(np.array(ratios) > 1 - 1e-6),
        "share_of_edges": np.mean(shares),
    }


def main(config):
    """Runs what is missing and writes the result."""
    return repeated_runs.run_all(
        config,
        run,
        VARIANTS,
        "claims/combinatorial.py",
        f"Random graphs, half of all edges, {NUM_GRAPHS} a seed. share_of_maximum: the "
        f"cut of {SMALL} nodes as a share of the maximum, which is found by trying all "
        "cuts; solved: the share of graphs where it is the maximum; share_of_edges: "
        f"the share of the edges of {LARGE} nodes that is cut. One chain, from fair "
        "coins, whose inverse temperature rises from 0.05 to 10 in equal ratios over "
        "its sweeps; local_search: the best change of a single node, as long as it "
        "gains.",
    )


if __name__ == "__main__":
    main(parse_flags(Config))
