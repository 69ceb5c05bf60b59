"""The learning rate rises and falls as its schedule says; matrices and filters alone decay."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from wordsight.optim import Schedule, decay_groups, set_rate


def test_the_rate_rises_in_a_line_then_falls_along_half_a_cosine() -> None:
    rates = [Schedule(warmup_share=0.1).rate(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    # 90 steps follow the rise: the middle of the half cosine is 45 steps in.
    assert rates[10] == 1.0 and rates[55] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))


def test_a_cosine_ends_at_its_final_share() -> None:
    rates = [Schedule(final_share=0.2).rate(step, 1000) for step in range(1000)]
    assert rates[0] == 1.0 and rates[500] == pytest.approx(0.6)
    assert 0.2 < rates[999] < 0.2001


def test_a_line_falls_to_one_step_above_zero() -> None:
    rates = [Schedule(warmup_share=0.2, fall="linear").rate(step, 10) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, *(left / 8 for left in range(8, 0, -1))])


def test_steps_fall_to_a_tenth_after_each_share_of_the_training() -> None:
    schedule = Schedule(fall="steps", step_share=0.4)
    rates = [schedule.rate(step, 500) for step in (0, 199, 200, 399, 400, 499)]
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


def test_biases_and_norms_do_not_decay_and_frozen_weights_are_left_out() -> None:
    last = nn.Linear(4, 2)
    last.bias.requires_grad_(False)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), last)
    decayed, plain = decay_groups(network.parameters(), weight_decay=0.05)
    assert [p.shape for p in decayed["params"]] == [(4, 3, 1, 1), (2, 4)] and decayed["weight_decay"] == 0.05
    assert [p.shape for p in plain["params"]] == [(4,), (4,), (4,)] and plain["weight_decay"] == 0.0
    assert decay_groups([last.bias], 0.05) == []


def test_each_group_keeps_its_multiple_of_the_rate() -> None:
    body, head = nn.Linear(2, 2), nn.Linear(2, 1, bias=False)
    groups = [*decay_groups(body.parameters(), 0.1), *decay_groups(head.parameters(), 0.1, rate=10.0)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_rate(optimizer, 0.01)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.01, 0.1])
