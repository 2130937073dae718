"""tensor.py - float64 arrays that remember how they came about, so that gradients follow.

Reverse-mode differentiation in its plainest form: each result keeps its operands, and for
each of them a function that turns the gradient of the result into that of the operand.
Formulas written with these arrays need no backward formulas of their own, which makes
their gradients independent of anybody's derivation.
"""

import itertools

import numpy as np

_numbers = itertools.count()


class Tensor:
    # Arrays on the left of an operator leave it to us.
    __array_ufunc__ = None

    def __init__(self, data, *operands):
        self.data = np.asarray(data, dtype=np.float64)
        self.operands = operands  # pairs (Tensor, gradient of self -> gradient of it)
        self.number = next(_numbers)
        self.grad = None

    @property
    def shape(self):
        return self.data.shape

    def backward(self):
        """Sets .grad of everything that self depends on; self must be a single number."""
        seen, todo = {self.number: self}, [self]
        while todo:
            for operand, _ in todo.pop().operands:
                if operand.number not in seen:
                    seen[operand.number] = operand
                    todo.append(operand)
        for tensor in seen.values():
            tensor.grad = 0.0
        self.grad = np.ones_like(self.data)
        for number in sorted(seen, reverse=True):  # operands are older than results
            tensor = seen[number]
            for operand, pull in tensor.operands:
                operand.grad = operand.grad + pull(tensor.grad)

    # ---- arithmetic, with NumPy's broadcasting -----------------------------------------

    def __add__(self, other):
        other = lift(other)
        return Tensor(self.data + other.data,
                      (self, lambda g: _sum_to(g, self.shape)),
                      (other, lambda g: _sum_to(g, other.shape)))

    def __mul__(self, other):
        other = lift(other)
        return Tensor(self.data * other.data,
                      (self, lambda g: _sum_to(g * other.data, self.shape)),
                      (other, lambda g: _sum_to(g * self.data, other.shape)))

    def __pow__(self, power):
        return Tensor(self.data ** power, (self, lambda g: g * power * self.data ** (power - 1)))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -lift(other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * lift(other) ** -1.0

    __radd__ = __add__
    __rmul__ = __mul__

    def __matmul__(self, matrix):
        """(..., n) @ (n, m)."""
        n, m = matrix.shape
        return Tensor(self.data @ matrix.data,
                      (self, lambda g: g @ matrix.data.T),
                      (matrix, lambda g: self.data.reshape(-1, n).T @ g.reshape(-1, m)))

    # ---- shape ----------------------------------------------------------------------------

    def __getitem__(self, index):
        def pull(g):
            out = np.zeros(self.shape)
            if isinstance(index, slice | int) or all(isinstance(i, slice | int) for i in index):
                out[index] = g
            else:
                np.add.at(out, index, g)  # an element may have been taken several times
            return out
        return Tensor(self.data[index], (self, pull))

    def reshape(self, *shape):
        return Tensor(self.data.reshape(shape), (self, lambda g: g.reshape(self.shape)))

    @property
    def T(self):
        return Tensor(self.data.T, (self, lambda g: g.T))

    def sum(self, axis=None, keepdims=False):
        def pull(g):
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, self.shape)
        return Tensor(self.data.sum(axis=axis, keepdims=keepdims), (self, pull))

    def mean(self, axis=None, keepdims=False):
        total = self.sum(axis, keepdims)
        return total * (total.data.size / self.data.size)


def lift(value):
    return value if isinstance(value, Tensor) else Tensor(value)


def _sum_to(g, shape):
    """The gradient of what was broadcast from `shape`."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g


def stack(tensors, axis):
    return Tensor(np.stack([t.data for t in tensors], axis),
                  *((t, lambda g, i=i: np.take(g, i, axis)) for i, t in enumerate(tensors)))


def exp(x):
    y = np.exp(x.data)
    return Tensor(y, (x, lambda g: g * y))


def log(x):
    return Tensor(np.log(x.data), (x, lambda g: g / x.data))


def tanh(x):
    y = np.tanh(x.data)
    return Tensor(y, (x, lambda g: g * (1 - y * y)))


def sigmoid(x):
    y = 0.5 * (1 + np.tanh(0.5 * x.data))
    return Tensor(y, (x, lambda g: g * y * (1 - y)))


def relu(x):
    return Tensor(np.maximum(x.data, 0), (x, lambda g: g * (x.data > 0)))


def maximum(x, bound):
    """The larger of a tensor and a number."""
    return Tensor(np.maximum(x.data, bound), (x, lambda g: g * (x.data > bound)))
