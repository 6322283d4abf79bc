"""The log partition function of an RBM, exactly or by annealing.

Of binary units it is what `gen_keras.metrics` computes of the weights. Units of other
kinds are summed or integrated out by themselves: exactly, where the other layer is
binary and small, by adding up its states; else by annealed importance sampling. Its
distributions p_β, β = 0 … 1, have the biases and own energies of the RBM, and β times
its couplings:

    log p*_β(v) = b^T s(v) - r(v) + log Z_h(c + β W^T s(v))

At β = 0 no unit hears of another, so that Z_0 is known. What a chain gathers,
Σ_k log p*_βk(v) - log p*_βk-1(v), is of log Z_h alone.

Reference:
    Salakhutdinov and Hinton, Replicated Softmax: an Undirected Topic Model, 2009,
    section 3.1 (counts of words).
"""

import keras
import numpy as np
from keras import ops

from gen_keras import backend, metrics
from gen_keras.metrics.annealed_importance_sampling import check_schedule, summarize
from gen_keras.models.base import check_range
from gen_keras.models.boltzmann_machines import units

BLOCK = 100  # Temperatures whose log weights are summed in float32.


def log_partition_of(kernel, visible_bias, hidden_bias, method, **options):
    """Returns log Z of an RBM of binary units; see `RBM.log_partition`."""
    check_method(method)
    weights = kernel, visible_bias, hidden_bias
    if is_exact(method, kernel.shape):
        return metrics.exact_log_partition(*weights)
    return metrics.annealed_importance_sampling(*weights, **options).log_partition


def largest_log_partition(model, weights, visible):
    """Returns log Z of a model of binary units, of many of them by annealing.

    It is annealed from both base models of `base_biases`, and the larger one counts.

    Args:
        model: `RBM` or `DBM`.
        weights: Tuple of arrays, of the RBM that has the same log Z.
        visible: Array of shape (num_examples, *visible_shape).
    """
    if is_exact("auto", weights[0].shape):
        return metrics.exact_log_partition(*weights)
    bases = [model.base_biases(visible, coins) for coins in (False, True)]
    return max(
        metrics.annealed_importance_sampling(*weights, base).log_partition
        for base in bases
    )


def is_exact(method, sizes):
    """Returns whether to enumerate, given the sizes of the binary layers."""
    return method == "exact" or (method == "auto" and min(sizes, default=99) <= 20)


def check_method(method):
    """Raises a `ValueError` if there is no such method."""
    if method not in ("auto", "exact", "ais"):
        raise ValueError(
            f"`method` must be 'auto', 'exact' or 'ais'. Received: {method}"
        )


class PartitionFunction:
    """What an RBM knows of its log Z; a mixin."""

    def log_partition(self, method="auto", num_words=None, **options):
        """Returns log Z in nats, a float.

        Args:
            method: "exact" enumerates the states of the smaller layer, at most 25
                binary units; "ais" estimates by annealed importance sampling; "auto" is
                exact up to 20 units.
            num_words: Integer, of replicated softmax units only: Z is that of the
                sequences of so many words.
            **options: Arguments of `metrics.annealed_importance_sampling`: `schedule`,
                `num_chains`, `seed` and `verbose`, and of binary units `base_biases`
                and `dtype`. Other units are annealed from their own biases, in float32.

        Raises:
            ValueError: If `method` is unknown or cannot be used.
        """
        if self.copies != (1, 1):
            raise ValueError(
                "log Z is known of an RBM without copies of its layers. Received: "
                f"copies={self.copies}"
            )
        if self.is_binary:
            return log_partition_of(*self.weight_arrays(), method=method, **options)
        check_method(method)
        sizes = [
            layer.num_units
            for layer in (self.visible_layer, self.hidden_layer)
            if isinstance(layer, units.Bernoulli)
        ]
        if is_exact(method, sizes):
            return self._enumerate(self._make_total(num_words))
        return self.anneal(num_words, **options).log_partition

    def base_biases(self, visible, coins=False):
        """Returns with what to begin annealing: units at the rates of data, uncoupled.

        From there annealing finds the data, from fair coins in the hidden layer at
        times a mode elsewhere: of the two estimates believe the larger.

        Args:
            visible: Array of shape (num_examples, *visible_shape), such as 10,000
                training images.
            coins: Boolean, whether hidden units are fair coins.

        Returns:
            Pair of float64 arrays (num_visible,) and (num_hidden,), `base_biases` of
            `log_partition("ais", ...)`.

        Raises:
            ValueError: If units are not binary: they begin with their own biases.
        """
        if not self.is_binary:
            names = (type(x).__name__ for x in (self.visible_layer, self.hidden_layer))
            raise ValueError(
                "`base_biases` are of Bernoulli units; others begin with their own "
                f"biases. Received: {' and '.join(names)}"
            )
        visible_bias = metrics.base_rate_bias(ops.convert_to_numpy(visible))
        if coins:
            return visible_bias, np.zeros(self.num_hidden)
        hidden = ops.convert_to_numpy(self.prop_up(visible))
        return visible_bias, metrics.base_rate_bias(hidden)

    @property
    def is_binary(self):
        """Whether the units of both layers are Bernoulli, a boolean."""
        layers = self.visible_layer, self.hidden_layer
        return all(isinstance(layer, units.Bernoulli) for layer in layers)

    def _log_partition_of(self, visible):
        """Returns log Z, of counts that for documents as long as these."""
        if self.is_binary and self.copies == (1, 1):
            return largest_log_partition(self, self.weight_arrays(), visible)
        if not self.visible_layer.has_total:
            return self.log_partition()
        lengths = ops.convert_to_numpy(self.visible_layer.total(self._flatten(visible)))
        if lengths.min() < lengths.max():
            raise ValueError(
                "`log_partition` must be an array, one value a document: those of "
                "another length have another `log_partition(num_words=...)`. Received: "
                f"None, for documents of {lengths.min():g} to {lengths.max():g} words"
            )
        return self.log_partition(num_words=int(lengths.max()))

    def _make_total(self, num_words, count=1):
        """Returns how often the biases of h count, (count, 1), or `None`."""
        if not self.visible_layer.has_total:
            return None
        if num_words is None:
            raise ValueError(
                "`num_words` must be given: documents of other lengths have "
                "another log Z. Received: None"
            )
        return ops.full((count, 1), float(num_words))

    def _enumerate(self, total):
        """Returns log Z by adding up over the one layer that is binary."""
        # What `anneal` refuses is left without an alternative.
        has_relus = isinstance(self.hidden_layer, units.NoisyReLU)
        alternative = "" if has_relus else "method='ais'"
        if isinstance(self.hidden_layer, units.Bernoulli):
            weight = 1.0 if total is None else total

            def log_weights(hidden):
                inputs = self._visible_inputs(hidden)
                bias = (weight * (hidden @ self.hidden_bias[:, None]))[:, 0]
                return bias + self.visible_layer.log_sum(inputs, total)

            return metrics.log_sum_over_states(
                log_weights, self.num_hidden, alternative
            )
        if isinstance(self.visible_layer, units.Bernoulli):
            return metrics.log_sum_over_states(
                lambda v: -self._free_energy(v, self._hidden_inputs(v)),
                self.num_visible,
                alternative,
            )
        raise ValueError(
            "log Z can be enumerated if one layer is binary; 'ais' estimates it. "
            f"Received: {self.visible_units} and {self.hidden_units}"
        )

    # Annealing ------------------------------------------------------------------------

    def anneal(self, num_words=None, num_chains=100, schedule=None, seed=0, verbose=0):
        """Estimates log Z by annealed importance sampling, of units of any kind.

        Args:
            num_words: Integer, see `log_partition`.
            num_chains: Integer of at least 2.
            schedule: Increasing array from 0 to 1, the inverse temperatures β. `None`
                means `metrics.reference_schedule()`.
            seed: Integer.
            verbose: 1 shows a progress bar.

        Returns:
            A `metrics.LogPartition`.

        Raises:
            ValueError: If there are too few chains, `schedule` does not lead from 0 to
                1, or units are noisy ReLUs.
        """
        check_range("num_chains", num_chains, 2)
        if isinstance(self.hidden_layer, units.NoisyReLU):
            raise ValueError(
                "Annealing needs exact draws, and those of noisy ReLU units are "
                "approximate; up to 25 binary visible units can be enumerated. "
                f"Received: {self.visible_units} and {self.hidden_units}"
            )
        schedule = check_schedule(schedule)
        total = self._make_total(num_words, num_chains)
        progress = keras.utils.Progbar(len(schedule) - 1, verbose=verbose)
        with self.seeded(seed):
            log_weights, visible = self._start_annealing(num_chains, total)
            log_weights = ops.convert_to_numpy(log_weights).astype("float64")
            for start in range(0, len(schedule) - 1, BLOCK):
                # The last block stays at 1 for a while: nothing is gathered there.
                places = np.arange(start, start + BLOCK + 1).clip(max=len(schedule) - 1)
                scales = ops.convert_to_tensor(schedule[places], visible.dtype)
                visible, gathered = self._anneal_block(visible, scales)
                log_weights += ops.convert_to_numpy(gathered)
                progress.update(places[-1])
        return summarize(log_weights)

    def _start_annealing(self, num_chains, total):
        """Returns log Z of the RBM without couplings, and draws from it."""
        bias = ops.convert_to_tensor(self.visible_bias)
        inputs = ops.repeat(bias[None], num_chains, axis=0)
        hidden_bias = ops.repeat(self.hidden_bias[None], num_chains, axis=0)
        hidden_inputs = hidden_bias if total is None else total * hidden_bias
        log_partition = self.visible_layer.log_sum(inputs, total)
        log_partition = log_partition + self.hidden_layer.log_sum(hidden_inputs)
        return log_partition, self._draw_visible(inputs, total)

    @backend.compiled
    def _anneal_block(self, visible, scales):
        """Returns states after a Gibbs step at each of `scales` but the first.

        And what the log weights gather on the way, (num_chains,).
        """

        def step(k, state):
            visible, gathered = state
            bias, total = self.hidden_bias, self.visible_layer.total(visible)
            bias = ops.convert_to_tensor(bias) if total is None else total * bias
            pull = self._hidden_inputs(visible) - bias
            # The weight first, at the state that knows the previous temperature only.
            gathered = gathered + self.hidden_layer.log_sum(bias + scales[k + 1] * pull)
            gathered = gathered - self.hidden_layer.log_sum(bias + scales[k] * pull)
            hidden_inputs = bias + scales[k + 1] * pull
            hidden = self.hidden_layer.draw(hidden_inputs, self.seed_generator)
            bias = ops.convert_to_tensor(self.visible_bias)
            inputs = bias + scales[k + 1] * (self._visible_inputs(hidden) - bias)
            return self._draw_visible(inputs, total), gathered

        start = visible, ops.zeros_like(visible[:, 0])
        return backend.fori_loop(0, BLOCK, step, start)
