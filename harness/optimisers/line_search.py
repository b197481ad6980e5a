"""The strong-Wolfe line search of L-BFGS, lane by lane, as torch's `_strong_wolfe` does it.

`harness.optimisers.lbfgs` says what is meant by a probe, by bracketing and zooming, and has the
legend of shapes.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.families.later import Tensor, torch
from harness.optimisers.lanes import but_not, choose, or_not

SUFFICIENT_DECREASE = 1e-4  # torch's c1, and below its c2: the strong Wolfe conditions
CURVATURE = 0.9
MAX_PROBES = 25  # torch's max_ls: probes after the first one of a search
L = 3  # numbers of a point on the search line
# bracket width at which a search ends; torch doesn't pass its tolerance_change on to the search
NARROWEST = 1e-9


class Search(NamedTuple):
    """A line search and its line: views of one tensor [R, S], so that one operation replaces them
    all.

    `start` is the accepted point. `left` and `right` are, while zooming, the ends of the bracket;
    while bracketing, the last two probes. `low` is the point that is accepted if the search ends
    now. `length` is that of the next probe, and `probes` counts the search's probes so far.
    """

    start_RZ: Tensor
    low_RZ: Tensor
    left_RL: Tensor
    right_RL: Tensor
    direction_RP: Tensor
    length_R1: Tensor
    probes_R1: Tensor


class Marks(NamedTuple):
    """What else a line search knows, [R] each; nothing of it holds when it begins, except `first`
    in the very first.
    """

    first: Tensor  # nothing was evaluated before
    zooming: Tensor
    low_is_right: Tensor
    low_is_second: Tensor  # low is torch's bracket[1], which loses ties
    close: Tensor  # the last probe is close to an end (torch: insuf_progress)


def narrow(
    search: Search, marks: Marks, searching_R: Tensor, probe_RZ: Tensor, reach_R: Tensor
) -> tuple[Search, Marks, Tensor, Tensor]:
    """The line searches with one more probe, the lanes whose search ended, and how much higher
    right is than left.

    The point to accept is then `low`. The loss of a probe that is not finite is NaN: it passes no
    test. Of lanes that do not search, `low` stays, and all else is for `_accept` to set.
    """
    zooming_R, probes_R = marks.zooming, search.probes_R1[:, 0]
    probe_RL = probe_RZ[:, :L]
    length_R, loss_R, slope_R = probe_RL.unbind(-1)
    _, start_loss_R, start_slope_R = search.start_RZ[:, :L].unbind(-1)
    spent_R = probes_R >= MAX_PROBES
    # Out of probes while bracketing, torch compares the last probe with the start and forgets those
    # between.
    low_RZ = choose(but_not(spent_R, zooming_R), search.start_RZ, search.low_RZ)
    low_loss_R = low_RZ[:, 1]

    flattest_R = -CURVATURE * start_slope_R
    flat_R = slope_R.abs() <= flattest_R
    low_enough_R = loss_R <= start_loss_R + SUFFICIENT_DECREASE * length_R * start_slope_R
    lower_R = loss_R < low_loss_R
    goes_on_R = (lower_R | (probes_R <= 1)) & (slope_R <= flattest_R)
    # Good is a probe that no minimum is known to lie before; its loss may still be the higher one,
    # and vice versa.
    good_R = low_enough_R & torch.where(zooming_R, lower_R, goes_on_R)
    lowest_R = but_not(torch.where(marks.low_is_second, loss_R <= low_loss_R, lower_R), good_R)
    is_low_R = searching_R & (good_R | lowest_R)

    is_left_R = zooming_R & torch.where(good_R, slope_R < 0, marks.low_is_right)
    left_RL = choose(is_left_R, probe_RL, choose(zooming_R, search.left_RL, search.right_RL))
    right_RL = choose(is_left_R, search.right_RL, probe_RL)
    zooming_R = or_not(zooming_R, good_R)
    across_RL = right_RL - left_RL
    tight_R = zooming_R & (across_RL[:, 0] * reach_R < NARROWEST)
    ended_R = searching_R & ((good_R & flat_R) | spent_R | tight_R)
    next_R, close_R = _next_length(left_RL, right_RL, across_RL, zooming_R, marks.close)
    narrowed = search._replace(
        low_RZ=choose(is_low_R, probe_RZ, low_RZ),
        left_RL=left_RL,
        right_RL=right_RL,
        length_R1=next_R[:, None],
        probes_R1=search.probes_R1 + 1,
    )
    marks = Marks(
        marks.first, zooming_R, is_low_R ^ is_left_R, marks.low_is_second ^ lowest_R, close_R
    )
    return narrowed, marks, ended_R, across_RL[:, 1]


def _next_length(
    left_RL: Tensor, right_RL: Tensor, across_RL: Tensor, zooming_R: Tensor, close_R: Tensor
) -> tuple[Tensor, Tensor]:
    """The length of the next probe, and whether it is close to an end of the bracket.

    It is where the cubic through both points is least, within bounds, or half-way between these
    where that has no minimum. Bracketing lanes go beyond the right point. In a bracket a tenth of
    its width at each end is avoided, from the second time on that the minimum is there, or at once
    where it is not inside.
    """
    right_R, width_R = right_RL[:, 0], across_RL[:, 0]
    # How far back from the right point, in widths: of bracketing lanes to 10 and to 1.01 times its
    # length.
    least_R = (-9 * right_R / width_R).masked_fill(zooming_R, 0.1)
    most_R = torch.full_like(width_R, -0.01).masked_fill(zooming_R, 0.9)
    back_R = _cubic_minimum(left_RL, right_RL, across_RL)
    back_R = torch.where(back_R.isnan(), (least_R + most_R) / 2, back_R)
    bounded_R = back_R.clamp(least_R, most_R)
    is_inside_R = (
        back_R * back_R < back_R
    )  # 0 < back < 1: however the square is rounded, this says the same
    is_bounded_R = or_not(close_R, zooming_R & is_inside_R)
    next_R = torch.where(is_bounded_R, bounded_R, back_R)
    return right_R - width_R * next_R, next_R != bounded_R


def _cubic_minimum(left_RL: Tensor, right_RL: Tensor, across_RL: Tensor) -> Tensor:
    """Where the cubic through two points with their slopes is least, as in `_next_length`; NaN
    where it isn't.

    Nocedal & Wright (2006), eq. 3.59.
    """
    left_slope_R, right_slope_R = left_RL[:, 2], right_RL[:, 2]
    width_R, rise_R, bend_R = across_RL.unbind(-1)
    d1_R = left_slope_R + right_slope_R - 3 * (rise_R / width_R)
    d2_R = (d1_R * d1_R - left_slope_R * right_slope_R).sqrt()
    return (right_slope_R + d2_R - d1_R) / torch.add(
        bend_R, d2_R, alpha=2
    )  # doubling rounds nothing
