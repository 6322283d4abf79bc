"""The only module that knows which Keras backend is running.

TensorFlow and torch run a step as it is written: variables change where `assign` is
called. JAX transforms pure functions only. Its branch below runs the same step in a
`keras.StatelessScope`, which collects assignments instead of making them, and hands
the collected values over wherever JAX takes a function.
"""

import contextlib
import functools
import weakref

import keras
import numpy as np

NAME = keras.backend.backend()


def _as_keras_expects(model, name):
    return contextlib.nullcontext()


def sync_state(model):
    """Gives variables the values that a running `fit` keeps elsewhere (JAX)."""


def no_gradients():
    """Returns a context in which no gradients are recorded (torch)."""
    return contextlib.nullcontext()


def replaced(variables, values):
    """Returns a context in which variables have other values, such as tensors.

    What is assigned in it is forgotten at its end; random draws may be or not.
    """
    return keras.StatelessScope(zip(variables, values, strict=True))


def _separate_replicas(state):
    return state


uniform = keras.random.uniform
normal = keras.random.normal


def bernoulli(probabilities, *, seed):
    """Returns 1 with the probability given for each element, else 0."""
    # XLA cannot compile TensorFlow's binomial distribution.
    draws = uniform(keras.ops.shape(probabilities), seed=seed)
    return keras.ops.cast(draws < probabilities, probabilities.dtype)


if NAME == "tensorflow":
    import tensorflow as tf

    fori_loop = keras.ops.fori_loop

    # The generator that TensorFlow chooses under XLA is a hundred times slower on the
    # CPU than the one named here.

    def uniform(shape, minval=0.0, maxval=1.0, *, seed):
        """Returns uniform draws; see `keras.random.uniform`."""
        return tf.random.stateless_uniform(
            shape, seed.next(), minval, maxval, keras.config.floatx(), alg="philox"
        )

    def normal(shape, *, seed):
        """Returns standard normal draws; see `keras.random.normal`."""
        return tf.random.stateless_normal(
            shape, seed.next(), dtype=keras.config.floatx(), alg="philox"
        )

    def when(condition, fn):
        """Calls `fn()`, which may assign variables, if a boolean (tensor) is true."""
        if isinstance(condition, bool):
            return fn() if condition else None
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise NotImplementedError(
                "TensorFlow cannot take steps under a condition on several devices, "
                "such as those of a generator at every k-th batch. Set "
                "`discriminator_steps` to 1, or KERAS_BACKEND to jax."
            )
        tf.cond(condition, lambda: (fn(), 0)[1], lambda: 0)

    def compiled(method):
        """Decorates a method to run as one graph; see the JAX version below."""
        return tf.function(method, reduce_retracing=True)

    def devices():
        """Returns the names of the accelerators, or of the processor."""
        gpus = tf.config.list_physical_devices("GPU")
        return [
            tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
            for gpu in gpus
        ] or ["CPU"]

    def data_parallel():
        """Returns a context; a model made in it trains on all local devices."""
        return tf.distribute.MirroredStrategy().scope()

    def _separate_replicas(state):
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return state
        offset = tf.stack([context.replica_id_in_sync_group * 1_000_003, 0])
        return state + tf.cast(offset, state.dtype)

    def value_and_gradients(loss_fn, variables):
        """Returns `(loss, logs, gradients)` of `loss_fn()`, one gradient a variable."""
        with tf.GradientTape() as tape:
            loss, logs = loss_fn()
        values = [variable.value for variable in variables]
        gradients = tape.gradient(
            loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return loss, logs, gradients

    def input_gradients(fn, x):
        """Returns the gradient of `sum(fn(x))` with respect to `x`, like `x` nested."""
        x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = fn(x)
        return tape.gradient(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _apply(optimizer, gradients, variables):
        # Keras sums the gradients of all replicas; the loss is a mean over the batch.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            gradients = [gradient / replicas for gradient in gradients]
        # No variable may change before all gradients are there. Keras passes them
        # through one IdentityN; TensorFlow's dependency optimizer takes it for such a
        # barrier, drops the order of reads and updates, and then takes it apart.
        with tf.control_dependencies(gradients):
            gradients = [tf.identity(gradient) for gradient in gradients]
        optimizer.apply(gradients, variables)

elif NAME == "torch":
    import torch

    fori_loop = keras.ops.fori_loop
    no_gradients = torch.no_grad

    # The numbers of `keras.random`, which takes longer to get ready than to draw.

    def uniform(shape, minval=0.0, maxval=1.0, *, seed):
        """Returns uniform draws; see `keras.random.uniform`."""
        generator = _next_generator(seed)
        return _empty(shape, generator).uniform_(minval, maxval, generator=generator)

    def normal(shape, *, seed):
        """Returns standard normal draws; see `keras.random.normal`."""
        generator = _next_generator(seed)
        return _empty(shape, generator).normal_(generator=generator)

    def bernoulli(probabilities, *, seed):
        """Returns 1 with the probability given for each element, else 0."""
        return uniform(probabilities.shape, seed=seed).lt_(probabilities)

    def when(condition, fn):
        """Calls `fn()`, which may assign variables, if a boolean (tensor) is true."""
        if condition:
            fn()

    def _empty(shape, generator):
        dtype = getattr(torch, keras.config.floatx())
        return torch.empty(shape, dtype=dtype, device=generator.device)

    def _next_generator(seed):
        state = seed.state.value
        generator = torch.Generator(state.device)
        generator.manual_seed(sum(state.tolist()) & 0xFFFFFFFF)
        state[1].add_(1)
        return generator

    def compiled(method):
        """Decorates a method; torch runs it as it is, without gradients."""

        @functools.wraps(method)
        def run(self, *args):
            with torch.no_grad():
                return method(self, *args)

        return run

    def devices():
        """Returns the names of the accelerators, or of the processor."""
        count = torch.cuda.device_count()
        return [torch.cuda.get_device_name(i) for i in range(count)] or ["CPU"]

    def data_parallel():
        """Raises an error: Keras has no data parallelism on torch."""
        raise NotImplementedError(
            "Keras trains on one device with torch. For data parallelism set "
            "KERAS_BACKEND to tensorflow or jax."
        )

    def value_and_gradients(loss_fn, variables):
        """Returns `(loss, logs, gradients)` of `loss_fn()`, one gradient a variable."""
        loss, logs = loss_fn()
        values = [variable.value for variable in variables]
        gradients = torch.autograd.grad(
            loss, values, allow_unused=True, materialize_grads=True
        )
        logs = {name: value.detach() for name, value in logs.items()}
        return loss.detach(), logs, gradients

    def input_gradients(fn, x):
        """Returns the gradient of `sum(fn(x))` with respect to `x`, like `x` nested."""
        # Keep the graph for a loss of these gradients; under `no_grad` nobody asks.
        keep_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            x = keras.tree.map_structure(_with_gradient, x)
            y = fn(x).sum()
            if not y.requires_grad:  # It depends on no tensor at all.
                return keras.tree.map_structure(torch.zeros_like, x)
            gradients = torch.autograd.grad(
                y,
                keras.tree.flatten(x),
                create_graph=keep_graph,
                allow_unused=True,
                materialize_grads=True,
            )
            return keras.tree.pack_sequence_as(x, gradients)

    def _with_gradient(x):
        x = keras.ops.convert_to_tensor(x)
        return x if x.requires_grad else x.detach().requires_grad_(True)

    def _apply(optimizer, gradients, variables):
        with torch.no_grad():
            optimizer.apply(gradients, variables)

elif NAME == "jax":
    import jax

    class _Scope(keras.StatelessScope):
        """Inherits the values of the enclosing scope and notes what is assigned."""

        def __init__(self, variables=(), values=()):
            super().__init__()
            self.overrides = dict(zip(map(id, variables), values, strict=True))
            self.assigned = {}

        def __enter__(self):
            super().__enter__()
            if self.original_scope is not None:
                self.state_mapping.update(self.original_scope.state_mapping)
            self.state_mapping.update(self.overrides)
            return self

        def add_update(self, update):
            super().add_update(update)
            variable, value = update
            self.assigned[id(variable)] = (variable, value)

        def new_values(self):
            return [value for _, value in self.assigned.values()]

        def commit(self, new_values):
            # `assign` reaches the enclosing scope or, outside of a step, the variable.
            variables = [variable for variable, _ in self.assigned.values()]
            for variable, value in zip(variables, new_values, strict=True):
                variable.assign(value)

    def replaced(variables, values):
        """Returns a context in which variables have other values, such as tensors.

        What is assigned in it is forgotten at its end; random draws may be or not.
        """
        return _Scope(variables, values)

    def compiled(method):
        """Decorates a method of a model to run compiled.

        Arrays and tensors among its positional arguments may change from call to
        call. Every other value is a constant and gives a program of its own. The
        method may assign the variables of the model, so it may draw at random.
        """
        programs = weakref.WeakKeyDictionary()  # JAX would keep models for ever.

        def make_program(model):
            model = weakref.ref(model)

            def pure(values, arrays, static):
                with _Scope(model().variables, values):
                    outputs = method(model(), *_merge(arrays, static))
                    return outputs, [v.value for v in model().variables]

            return jax.jit(pure, static_argnums=2)

        @functools.wraps(method)
        def run(self, *args):
            if self not in programs:
                programs[self] = make_program(self)
            variables = self.variables
            values = [variable.value for variable in variables]
            arrays, static = _split(args)
            outputs, new_values = programs[self](values, arrays, static)
            for variable, value in zip(variables, new_values, strict=True):
                variable.assign(value)
            return outputs

        return run

    def _split(args):
        is_array = [hasattr(arg, "dtype") for arg in args]
        arrays = [a for a, yes in zip(args, is_array, strict=True) if yes]
        static = tuple(
            _Hole if yes else a for a, yes in zip(args, is_array, strict=True)
        )
        return arrays, static

    def _merge(arrays, static):
        arrays = iter(arrays)
        return [next(arrays) if arg is _Hole else arg for arg in static]

    class _Hole:
        """Stands where an array was among the arguments."""

    def sync_state(model):
        """Gives variables the values that a running `fit` keeps elsewhere (JAX)."""
        model.jax_state_sync()

    def devices():
        """Returns the names of the accelerators, or of the processor."""
        names = [device.device_kind for device in jax.local_devices()]
        return ["CPU"] if jax.default_backend() == "cpu" else names

    def data_parallel():
        """Returns a context; a model made in it trains on all local devices."""
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        return contextlib.nullcontext()

    def value_and_gradients(loss_fn, variables):
        """Returns `(loss, logs, gradients)` of `loss_fn()`, one gradient a variable."""

        def pure(values):
            nonlocal scope
            with _Scope(variables, values) as scope:
                loss, logs = loss_fn()
            return loss, (logs, scope.new_values())

        scope = None
        values = [variable.value for variable in variables]
        (loss, (logs, new_values)), gradients = jax.value_and_grad(pure, has_aux=True)(
            values
        )
        scope.commit(new_values)
        return loss, logs, gradients

    def input_gradients(fn, x):
        """Returns the gradient of `sum(fn(x))` with respect to `x`, like `x` nested."""

        def pure(x):
            nonlocal scope
            with _Scope() as scope:
                y = fn(x).sum()
            return y, scope.new_values()

        scope = None
        x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
        gradients, new_values = jax.grad(pure, has_aux=True)(x)
        scope.commit(new_values)
        return gradients

    def _assigned_by(fn, *args):
        """Returns the variables that `fn(*args)` assigns."""

        def run(*args):
            nonlocal scope
            with _Scope() as scope:
                return fn(*args)

        scope = None
        jax.eval_shape(run, *args)
        return [variable for variable, _ in scope.assigned.values()]

    def when(condition, fn):
        """Calls `fn()`, which may assign variables, if a boolean (tensor) is true."""

        def run(values):
            with _Scope(variables, values):
                fn()
                return [variable.value for variable in variables]

        if isinstance(condition, bool):
            return fn() if condition else None
        variables = _assigned_by(lambda: (fn(), 0)[1])
        values = [variable.value for variable in variables]
        values = jax.lax.cond(condition, run, lambda values: values, values)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def fori_loop(lower, upper, body_fun, init_val):
        """`keras.ops.fori_loop` whose body may assign variables, so draw at random."""

        def body(i, carry):
            x, values = carry
            with _Scope(variables, values):
                x = body_fun(i, x)
                return x, [variable.value for variable in variables]

        init_val = keras.tree.map_structure(keras.ops.convert_to_tensor, init_val)
        variables = _assigned_by(lambda x: body_fun(lower, x), init_val)
        values = [variable.value for variable in variables]
        x, values = jax.lax.fori_loop(lower, upper, body, (init_val, values))
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return x

    def _apply(optimizer, gradients, variables):
        # Not `apply`: loss scaling for float16 would assign inside of a `lax.cond`.
        targets = [*variables, *optimizer.variables]
        values = [variable.value for variable in targets]
        count = len(variables)
        values, slots = optimizer.stateless_apply(
            values[count:], gradients, values[:count]
        )
        for variable, value in zip(targets, [*values, *slots], strict=True):
            variable.assign(value)

    @contextlib.contextmanager
    def _as_keras_expects(model, name):
        """Shadows the method `name` by a function `(state, data) -> (logs, state)`."""
        step = getattr(model, name)

        def stateless_step(state, data):
            groups = [model.trainable_variables, model.non_trainable_variables]
            if name == "train_step":
                groups.append(model.optimizer.variables)
            groups.append(model.metrics_variables)
            pairs = zip(sum(groups, []), sum(state, []), strict=True)
            with keras.StatelessScope(pairs) as scope:
                logs = step(data)
            values = [[scope.get_current_value(v) for v in group] for group in groups]
            return logs, tuple(values)

        object.__setattr__(model, name, stateless_step)
        try:
            yield
        finally:
            object.__delattr__(model, name)

else:
    raise ImportError(f"gen_keras supports tensorflow, jax and torch. Received: {NAME}")


class SeedGenerator(keras.random.SeedGenerator):
    """A `keras.random.SeedGenerator` of independent streams.

    Two things differ. Torch adds the two halves of Keras' state, so that seeds 1 and 2
    would give one stream, shifted; a hash keeps seeds apart. And with
    `tf.distribute.MirroredStrategy` each replica draws numbers of its own.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(seed=None if seed is None else spread_seed(seed), **kwargs)

    def next(self, ordered=True):
        """Returns the state for the next draw, shape (2,)."""
        return _separate_replicas(super().next(ordered))


def spread_seed(seed):
    """Returns a hash of an integer, or of a tuple of integers, in [0, 2^31)."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1


class Optimizers(keras.optimizers.MultiOptimizer):
    """One optimizer for each network, as one object that Keras callbacks understand.

    Args:
        optimizers: Dict of networks (any layers) and their optimizers. Together the
            networks must hold every trainable variable of the model.
    """

    def __init__(self, optimizers):
        owners = {
            id(variable): optimizer
            for network, optimizer in optimizers.items()
            for variable in network.trainable_variables
        }

        def find(variable):
            if id(variable) not in owners:
                raise ValueError(
                    "Each trainable variable must belong to one of the networks given "
                    f"to `Optimizers`. Received: {variable.path}"
                )
            return owners[id(variable)]

        super().__init__(find)

    # A model keeps each optimizer in an attribute and saves it from there.

    def save_own_variables(self, store):
        """Saves nothing."""

    def load_own_variables(self, store):
        """Loads nothing."""


class Trainer(keras.Model):
    """A `keras.Model` whose stateful `train_step` and `test_step` run everywhere."""

    def minimize(self, loss_fn, optimizer, variables):
        """Takes one optimizer step and returns the logs of `loss_fn`.

        Args:
            loss_fn: Function without arguments returning `(loss, logs)`: a scalar
                tensor and a dict of tensors.
            optimizer: `keras.optimizers.Optimizer`, built on `variables`.
            variables: List of `keras.Variable` to update; all others stay fixed.

        Returns:
            The dict of logs computed by `loss_fn`.
        """

        def scaled_loss_fn():
            loss, logs = loss_fn()
            return optimizer.scale_loss(loss), logs

        _, logs, gradients = value_and_gradients(scaled_loss_fn, variables)
        _apply(optimizer, gradients, variables)
        return logs

    def apply_gradients(self, gradients, optimizer, variables):
        """Takes one optimizer step along gradients computed without a loss."""
        _apply(optimizer, gradients, variables)

    def make_train_function(self, force=False):
        """Compiles `train_step`; see `keras.Model.make_train_function`."""
        with _as_keras_expects(self, "train_step"):
            return super().make_train_function(force)

    def make_test_function(self, force=False):
        """Compiles `test_step`; see `keras.Model.make_test_function`."""
        with _as_keras_expects(self, "test_step"):
            return super().make_test_function(force)
