"""Recipes that are searched: joined to the architectures of any space, or to one decided network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sculptnet.arch import Architecture, Exponential, OneOf, Recipe, RmsProp, SearchSpace, Sgd, between, choice, same
from sculptnet.errors import InvalidSpace

SGD_FACTOR = 4  # times the learning rate of RMSProp


def with_recipe(space: SearchSpace | Architecture, recipe: Recipe) -> SearchSpace:
    """`space` with `recipe` in place of its own; what is open in it is searched together with the architecture.

    The decisions are named after their fields: `recipe.dropout`, `recipe.optimizer.learning_rate`, or
    `recipe.optimizer[0].learning_rate` where the optimiser is open too.

    Args:
        space: a space, or a decided architecture, so that the recipe alone is searched (the paper's AutoTrain).
        recipe: with `choice`, `between` and `same` where values are open.

    Raises:
        InvalidSpace: nothing is open, or a tie leads nowhere.
    """
    if isinstance(space, SearchSpace):
        return replace(space, recipe=recipe)
    try:
        return SearchSpace(space, recipe)
    except InvalidSpace as error:
        raise InvalidSpace(f"with_recipe: of this architecture and this recipe: {error}") from error


def fbnetv3_recipe(
    *,
    epochs: int = 150,
    batch_size: int = 256,
    learning_rate_factor: float = 1.0,
    ema_decay: float = 0.9999,
) -> Recipe:
    """The recipes that FBNetV3 searched (Dai et al., CVPR 2021): 11 x 2 x 2 x 31 x 22 x 42 x 15 = 19 million of them.

    The paper says 10^7. Open are the optimiser (RMSProp or SGD), its learning rate (0.020 to 0.030, with SGD four times
    that), whether weights are averaged, dropout (0.01 to 0.31), stochastic depth (0.10 to 0.31), mixup (0 to 0.41) and
    weight decay (7e-6 to 21e-6), which both optimisers share. Each optimiser has a learning rate of its own, where the
    paper has one that is multiplied: the number of recipes is the same. Names are paths, such as `recipe.dropout` and
    `recipe.optimizer[1].learning_rate`.

    The learning rate falls by 0.963 each epoch, over 150 epochs, as in the paper's search; `learn.rescaled` keeps that
    course in a shorter training. Not established, and ours: the decay of averages, what batch size the learning rates
    belong to, that mixup's number is its alpha, and the units of stochastic depth and mixup. What the paper does not
    search (label smoothing, RandAugment) has our recipe's values; `dataclasses.replace` changes them.

    Args:
        epochs: of a whole training.
        batch_size: images a step.
        learning_rate_factor: on all learning rates; for batches of n images, n / 256 is the linear rule.
        ema_decay: of averaged weights, where they are averaged.

    Raises:
        InvalidValue: a value is outside its range; the message names the field.
    """
    decay, tied = between(7e-6, 21e-6, 1e-6), same("recipe.optimizer[0].weight_decay")
    rates = (_scaled(between(0.02, 0.03, 0.001), learning_rate_factor * factor) for factor in (1, SGD_FACTOR))
    optimizer: Any = choice(RmsProp(next(rates), weight_decay=decay), Sgd(next(rates), weight_decay=tied))
    plain = Recipe()
    return replace(
        plain,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        schedule=Exponential(0.963, 1.0),
        augmentation=replace(plain.augmentation, mixup=between(0.0, 0.41, 0.01)),
        dropout=between(0.01, 0.31, 0.01),
        drop_path=between(0.1, 0.31, 0.01),
        ema=choice(0.0, ema_decay),
    )


def _scaled(values: OneOf, factor: float) -> Any:
    """A range times `factor`."""
    return OneOf(tuple(float(f"{value * factor:.9g}") for value in values.options), ordered=True)
