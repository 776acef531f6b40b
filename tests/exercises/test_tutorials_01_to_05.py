"""What the checks of tutorials 01 to 05 say of right answers, and of the slips people make."""

import numpy as np
import pytest

import maasnb as mb
from tests.exercises.checked import check, refused
from tests.study.patients import blobs, coins, patient

# 01, by hand; the numbers are torch's.


def by_hand():
    random = np.random.default_rng(5)
    first = {
        "W1": random.normal(size=(2, 8)),
        "b1": random.normal(size=8),
        "W2": random.normal(size=(8, 2)),
        "b2": random.normal(size=2),
    }
    return {"first": first, "x": random.normal(size=(30, 2)), "y": random.integers(0, 2, 30)}


def torch_loss(torch, weights, x, y):
    hidden = torch.relu(torch.tensor(x) @ weights["W1"] + weights["b1"])
    scores = hidden @ weights["W2"] + weights["b2"]
    return torch.nn.functional.cross_entropy(scores, torch.tensor(y))


def trained_by_torch(names, steps, rate):
    import torch

    weights = {
        name: torch.tensor(each, requires_grad=True) for name, each in names["first"].items()
    }
    optimizer = torch.optim.SGD(weights.values(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        torch_loss(torch, weights, names["x"], names["y"]).backward()
        optimizer.step()
    return torch_loss(torch, weights, names["x"], names["y"]).item()


def test_the_loss_after_ten_steps_is_that_of_torch():
    names = by_hand()
    check("01.1", answer=trained_by_torch(names, 10, 0.1), **names)


@pytest.mark.parametrize(
    ("steps", "rate", "message"),
    [
        (0, 0.1, "the loss before the first step"),
        (1, 0.1, "the loss after a single step"),
        (9, 0.1, "take one more"),
        (11, 0.1, "take one less"),
        (10, 0.5, "take 0.1"),
        (40, 0.1, "which is not the loss after ten steps"),
    ],
)
def test_a_slip_in_the_steps_is_named(steps, rate, message):
    names = by_hand()
    refused("01.1", message, answer=trained_by_torch(names, steps, rate), **names)


def test_the_way_back_through_tanh_is_the_slope_times_what_comes_in():
    check("01.2", tanh_backward=lambda dh, z: dh / np.cosh(z) ** 2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda dh, z: ..., "still returns `...`"),
        (lambda dh, z: None, "returns nothing"),
        (lambda dh, z: dh.sum(), "the shape"),
        (lambda dh, z: 1 - np.tanh(z) ** 2, "the slope alone"),
        (lambda dh, z: dh * (z > 0), "way back of ReLU"),
        (lambda dh, z: dh * (1 - z**2), "stands z1 itself"),
        (lambda dh, z: dh, "Not right yet"),
    ],
)
def test_a_slip_in_the_way_back_is_named(function, message):
    refused("01.2", message, tanh_backward=function)


def test_the_gradient_with_the_penalty_is_that_of_torch():
    import torch

    names = by_hand()
    weights = {
        name: torch.tensor(each, requires_grad=True) for name, each in names["first"].items()
    }
    loss = torch_loss(torch, weights, names["x"], names["y"])
    (loss + 0.01 * (weights["W1"] ** 2).sum()).backward()
    gradient, weight = weights["W1"].grad.numpy(), names["first"]["W1"]
    check("01.3", answer_w1=gradient, **names)
    refused("01.3", "without the penalty", answer_w1=gradient - 0.02 * weight, **names)
    refused("01.3", "Almost", answer_w1=gradient - 0.01 * weight, **names)
    refused("01.3", "penalty's gradient alone", answer_w1=0.02 * weight, **names)
    refused("01.3", "has the shape", answer_w1=gradient.T, **names)
    refused("01.3", "Not right yet", answer_w1=gradient + 1, **names)


# 02


def test_the_slope_of_silu_is_that_of_torch():
    import torch

    def slope(z):
        inputs = torch.tensor(z, requires_grad=True)
        torch.nn.functional.silu(inputs).sum().backward()
        return inputs.grad.numpy()

    check("02.1", silu_slope=slope)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z: ..., "still returns `...`"),
        (lambda z: None, "returns nothing"),
        (lambda z: z.sum(), "the shape"),
        (lambda z: sigmoid(z) * (1 - sigmoid(z)), "the slope of sigmoid"),
        (lambda z: z * sigmoid(z), "silu itself"),
        (lambda z: z * sigmoid(z) * (1 - sigmoid(z)), "Half of the product rule"),
        (lambda z: z, "at z = 0 the slope is 0.5, and yours is 0.00"),
    ],
)
def test_a_slip_in_the_slope_is_named(function, message):
    refused("02.1", message, silu_slope=function)


def test_a_step_of_momentum_is_that_of_torch():
    import torch

    def step(weight, velocity, gradient, lr):
        parameter = torch.tensor(weight, requires_grad=True)
        optimizer = torch.optim.SGD([parameter], lr=lr, momentum=0.9)
        optimizer.state[parameter]["momentum_buffer"] = torch.tensor(velocity)
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        buffer = optimizer.state[parameter]["momentum_buffer"]
        return parameter.detach().numpy(), buffer.numpy()

    check("02.2", momentum_step=step)


def moved(weight, velocity, gradient, lr, *, old=False, up=False, far=1.0):
    following = 0.9 * velocity + gradient
    along = velocity if old else following
    return weight + (lr if up else -lr) * far * along, following


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda *_: ..., "still returns `...`"),
        (lambda *given: moved(*given)[0], "two things"),
        (lambda *given: moved(*given)[::-1], "the other way round"),
        (lambda w, v, g, lr: (w - lr * g, g), "The velocity is not right"),
        (lambda *given: moved(*given, old=True), "along the old velocity"),
        (lambda *given: moved(*given, up=True), "goes uphill"),
        (lambda *given: moved(*given, far=2.0), "The weight is not right"),
    ],
)
def test_a_slip_in_the_step_of_momentum_is_named(function, message):
    refused("02.2", message, momentum_step=function)


def test_a_network_is_judged_on_the_fresh_points():
    run = patient("torch")
    x, y = blobs()
    names = {"moons": run.data, "fresh_x": x, "fresh_y": y}
    check("02.3", best=run, **names)
    refused(
        "02.3", r"right on \d+\.\d% of the fresh points", best=run, **names | {"fresh_y": y + 1}
    )
    refused("02.3", "not a run, which mb.train", best=run.model, **names)
    fewer = mb.data(x[:30], y[:30])
    refused("02.3", "more points", best=run, **names | {"moons": fewer})


# 03


def test_an_illness_is_named_as_the_diagnosis_names_it():
    check("03.1", mystery=patient("torch", "saturated"), answer="saturated")
    sick = {"mystery": patient("torch", "saturated")}
    refused("03.1", "no kind of illness. The kinds are: diverged", answer="flu", **sick)
    refused("03.1", "does not suffer from overfitting", answer="overfitting", **sick)


def far_network(activation="tanh", **options):
    x, y = blobs()
    prep = options.pop("prep", [mb.standardize()])
    made = mb.data(100 * x, y, split=(2 / 3, 1 / 6, 1 / 6), prep=prep)
    net = mb.build([mb.Dense(16, activation), mb.Dense(3)], data=made)
    return mb.train(net, made, **{"lr": 0.01, "batch": 16, "epochs": 8, **options})


def test_a_cure_is_a_healthy_run_with_tanh_on_the_same_inputs():
    x, y = blobs()
    far = mb.data(100 * x, y, split=(2 / 3, 1 / 6, 1 / 6))
    check("03.2", far=far, cured=far_network())
    refused("03.2", "not well yet: saturated", far=far, cured=far_network(prep=None, epochs=5))
    refused("03.2", "has no tanh", far=far, cured=far_network("relu"))
    refused("03.2", "on other inputs", far=far, cured=patient("torch"))
    refused("03.2", "not a run, which mb.train", far=far, cured=0.9)


def test_coins_are_not_to_be_learnt_by_heart():
    sick = patient("torch", "overfitting")
    refused("03.3", "still learns by heart", coins=sick.data, kept=sick)
    net = mb.build([mb.Dense(64, "relu"), mb.Dense(3)], data=sick.data)
    kept = mb.train(net, sick.data, lr=0.01, batch=16, epochs=60, stop=3, restore_best=True)
    check("03.3", coins=sick.data, kept=kept)
    refused("03.3", "on other data", coins=mb.data(*coins()), kept=kept)


# 04


def averaged(jax, values):
    def body(average, value):
        average = 0.9 * average + 0.1 * value
        return average, average

    return jax.lax.scan(body, 0.0, values)


def compiled_mean(**options):
    """Return a list of what was traced, and a compiled mean that fills it."""
    import jax

    seen = []

    def traced(values, count):
        seen.append(values.shape)
        return values.sum() / count

    return seen, jax.jit(traced, **options)


def padded(mean):
    return lambda values: mean(np.pad(values, (0, 64 - len(values))), len(values))


def test_one_trace_is_enough_for_every_length():
    seen, mean = compiled_mean()
    check("04.1", seen=seen, padded_mean=padded(mean))
    check("04.1", seen=seen, padded_mean=padded(mean))


def test_traces_are_counted_though_a_second_check_needs_none():
    seen, mean = compiled_mean()
    for _ in range(2):
        message = "for 4 shapes"
        refused("04.1", message, seen=seen, padded_mean=lambda each: mean(each, len(each)))


def test_a_static_count_and_a_wrong_divisor_are_named():
    seen, mean = compiled_mean(static_argnums=1)
    refused("04.1", "times for one shape", seen=seen, padded_mean=padded(mean))
    wrong = padded(lambda values, count: values.mean())
    refused("04.1", "Divide the sum by `count`", seen=[], padded_mean=wrong)


def test_a_running_average_is_to_be_a_scan():
    import jax
    import jax.numpy as jnp

    def in_python(values):
        averages, average = [], 0.0
        for value in values:
            average = 0.9 * average + 0.1 * value
            averages.append(average)
        return jnp.stack(averages)

    check("04.2", jax=jax, smooth=lambda values: averaged(jax, values)[1])
    refused("04.2", "no `jax.lax.scan`", jax=jax, smooth=in_python)
    refused("04.2", "two things", jax=jax, smooth=lambda values: averaged(jax, values))
    refused("04.2", "the shape", jax=jax, smooth=lambda values: averaged(jax, values)[0])
    refused("04.2", "not right", jax=jax, smooth=lambda values: jnp.asarray(values))
    refused("04.2", "still returns", jax=jax, smooth=lambda values: ...)


def test_an_array_that_is_donated_is_gone():
    import jax

    check("04.3", jax=jax, shrink=jax.jit(lambda w: 0.5 * w, donate_argnums=0))
    refused("04.3", "still there", jax=jax, shrink=jax.jit(lambda w: 0.5 * w))
    refused("04.3", r"return 0\.5 \* w", jax=jax, shrink=jax.jit(lambda w: w))


# 05


def test_the_parameters_of_a_convolution_are_those_of_torch():
    import torch

    count = sum(each.numel() for each in torch.nn.Conv2d(3, 24, 5).parameters())
    check("05.1", answer=count)
    refused("05.1", "the biases are missing", answer=count - 24)
    refused("05.1", "all 3 channels", answer=24 * 25)
    refused("05.1", "one bias, not one a channel", answer=count + 48)
    refused("05.1", "count the weights of one filter", answer=7)


def small_network(digits, *layers, **options):
    net = mb.build([mb.Reshape((8, 8, 1)), *layers, mb.Dense(10)], data=digits)
    return mb.train(net, digits, **options)


def test_a_small_network_is_counted_and_judged():
    digits = mb.data("digits")
    conv = mb.Conv(12, 3, "relu"), mb.Pool(2), mb.Flatten()
    names = {"digits": digits}
    refused("05.2", "not a run, which mb.train", small=3, **names)
    refused("05.2", "on other data", small=patient("torch"), **names)
    refused("05.2", "no convolution", small=small_network(digits, mb.Flatten(), epochs=1), **names)
    large = small_network(digits, mb.Conv(12, 3), mb.Flatten(), epochs=1)
    refused("05.2", "7,810 parameters, more than 4,000", small=large, **names)
    refused("05.2", "less than 95 %", small=small_network(digits, *conv, epochs=1), **names)
    check("05.2", small=small_network(digits, *conv, epochs=15, lr=0.01), **names)


def test_a_confusion_is_counted_on_digits_that_are_moved():
    from sklearn.metrics import confusion_matrix

    digits = mb.data("digits")
    run = mb.train(mb.build([mb.Dense(10)], data=digits), digits, epochs=2)
    images = np.pad(digits.test.x.reshape(-1, 8, 8), ((0, 0), (0, 0), (1, 0)))[..., :8]
    images[..., 0] = digits.test.x.reshape(-1, 8, 8)[..., 7]  # what is moved out comes in again
    said = run.predict(images.reshape(-1, 64)).argmax(axis=1)
    counts = confusion_matrix(digits.test.y.astype(int), said, labels=range(10))
    np.fill_diagonal(counts, 0)
    pair = np.unravel_index(counts.argmax(), counts.shape)
    rare = np.unravel_index((counts + 99 * np.eye(10)).argmin(), counts.shape)
    names = {"digits": digits, "dense_run": run}
    check("05.3", pair=pair, **names)
    refused("05.3", "another pair happens more often", pair=rare, **names)
    refused("05.3", "a pair of digits|two digits", pair=(1, 2, 3), **names)
