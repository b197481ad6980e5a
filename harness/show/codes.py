"""What every code of a table, a page or a terminal means, and what to do about it: the one place where this is said.

docs/codes.md (`python docs/write.py` writes it) and the last section of every page have the same words.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from markupsafe import Markup, escape

CodeKind = Literal["refusal", "caution", "note"]


class Code(NamedTuple):
    """A code as a reader meets it: why it stands there, and the next move."""

    kind: CodeKind
    meaning: str
    advice: str

    @property
    def paragraph(self) -> str:
        """All that is said of it."""
        return f"{self.meaning} {self.advice}"


CODE_KINDS: dict[CodeKind, tuple[str, str]] = {
    "refusal": ("Refusals", "There is no number, because any number would mislead. The code stands in its place."),
    "caution": ("Cautions", "There is a number. Quote it together with its caution."),
    "note": ("Notes", "Nothing is wrong. The code says which runs or sizes a row leaves out."),
}

CODES: dict[str, Code] = {
    "TOO_FEW": Code(
        "refusal",
        "There are too few different sizes for this law. It needs two more sizes than it has parameters: 4 sizes "
        "without a floor, 5 with a floor or a shift, 8 with a break. A law of two sizes needs 12 cells and 4 values "
        "of each size. The best size of a budget needs 4 sizes at each of 4 budgets.",
        "Add sizes. More seeds at the same sizes do not help.",
    ),
    "RANGE": Code(
        "refusal",
        "The sizes lie too close together: the largest is less than 3.2 times the smallest (half a decade; for a law "
        "of two sizes, 1.6 times). An exponent from so short a range is mostly noise.",
        "Add larger or smaller sizes.",
    ),
    "NONMONOTONE": Code(
        "refusal",
        "The mean loss rises from one size to the next by more than noise explains (3 standard errors, or a factor "
        "of 2 where no size has two seeds). A power law only falls, so it would describe nothing. Usually the larger "
        "models overfit, or were not trained long enough.",
        "Fit only the sizes before the rise (`window: until: minimum`, or `--until minimum`), or give the larger "
        "models more data or more steps.",
    ),
    "STUCK": Code(
        "refusal",
        "The search for the best law did not settle on one. Two starts disagree, the fit still improves, the losses "
        "are flat, or the exponent or the shift runs away.",
        "Add sizes, or fit a law with fewer parameters.",
    ),
    "NO_MINIMUM": Code(
        "refusal",
        "At this budget the loss has no lowest point over the sizes that were tried, so the budget has no best size.",
        "Try a wider range of sizes at this budget.",
    ),
    "OUTSIDE": Code(
        "refusal",
        "At this budget the lowest point of the fitted curve lies outside of the sizes that were tried, so the best "
        "size would be a guess.",
        "Try sizes on both sides of it.",
    ),
    "REFUSED_FIT": Code(
        "refusal",
        "This comparison needs a law of both arms, and the law of at least one of them was refused.",
        "Look at the refusal that follows. The comparison at equal size needs no law.",
    ),
    "NO_OVERLAP": Code(
        "refusal",
        "No loss, or no size, is reached by both arms, so there is nothing to compare them at.",
        "Add sizes that bring the arms together.",
    ),
    "NOT_FALLING": Code(
        "refusal",
        "The law of one arm does not fall as size grows. No size belongs to a loss then, and a ratio of sizes or of "
        "exponents says nothing.",
        "Compare the arms' losses at equal size instead.",
    ),
    "ZERO": Code(
        "refusal",
        "A run has a test loss of exactly 0, to which the cross-entropy of a few points can round. A ratio to it says "
        "nothing, and without that run the side would look worse than it is.",
        "Test on more points, or compare smaller sizes.",
    ),
    "WORSE_THAN_CONSTANT": Code(
        "refusal",
        "The median test loss of both sides is above that of a constant: the mean of the training targets, or their "
        "shares of classes. Neither side has learnt the task, so a ratio would only say who fails more.",
        "Give more data or another training, or compare smaller sizes. `baselines` in `answer.json` has what a "
        "constant and, of data, a linear model reach.",
    ),
    "FAILED_REPLICATES": Code(
        "refusal",
        "In more than 20 % of the replicates a side has no network: all runs of its search diverged, or cost more than "
        "the budget. A mean of the other replicates would be one of lucky searches. How many replicates each side won "
        "still stands.",
        "Compare at a larger budget or with more runs a search, or mend the runs that fail.",
    ),
    "ONE_REPLICATE": Code(
        "refusal",
        "Fewer than two replicates give a number. One search does not show what another search would find, so there "
        "is no interval.",
        "Add replicates: eight or more.",
    ),
    "ONE_NETWORK": Code(
        "refusal",
        "In more than 20 % of the replicates one or two networks win at all budgets. Most points of such a curve are "
        "copies of each other, and copies carry no law.",
        "Add budgets at which other networks win, or compare the sides at equal budgets instead.",
    ),
    "NO_SIZE": Code(
        "refusal",
        "Both sides have one or two sizes in common. One stands as the largest and the other as the smallest, so there "
        "is no size to read here.",
        "Add sizes that both sides can have.",
    ),
    "LOCAL_SLOPE": Code(
        "caution",
        "The sizes span less than a factor of 10. The exponent describes the slope between them and nothing beyond.",
        "Quote it as a local slope, and do not extrapolate it. Add range for an exponent.",
    ),
    "SINGLE_SEED": Code(
        "caution",
        "Some sizes have one run only. One run does not show how much luck is in it.",
        "Run more seeds.",
    ),
    "FEW_REPLICATES": Code(
        "caution",
        "The interval is of fewer than eight replicates. So few searches rarely show how much luck a search has: in "
        "simulations with four, intervals of 95 % held the truth in 87 to 96 %.",
        "Add replicates: eight or more.",
    ),
    "LOST_REPLICATES": Code(
        "caution",
        "In some replicates, 20 % at most, a side has no network: all runs of its search diverged, or cost more than "
        "the budget. The side loses such a replicate, and the mean is of the others.",
        "Look at both: how many replicates each side won, and the mean.",
    ),
    "DOF1": Code(
        "caution",
        "Only one degree of freedom (sizes less parameters) is left to judge the noise, so the interval is very wide.",
        "Add sizes.",
    ),
    "OUTLIERS": Code(
        "caution",
        "Some runs lie far from the others of their size: more than 5 robust standard deviations from the median, "
        "and more in a table of hundreds of runs. Their pull on the mean of their size was limited (Huber's "
        "location).",
        "See whether these runs failed.",
    ),
    "MISFIT": Code(
        "caution",
        "The law does not go through the points. Either the sizes scatter about it by more than seeds explain (lack "
        "of fit, p < 0.05), or its misses come in stretches of one sign (runs test, p < 0.01). Intervals then rest "
        "on the scatter of the sizes.",
        "Try a law with a floor or a break, and look at the figure before you quote the exponent.",
    ),
    "EXPONENT_OPEN": Code(
        "caution",
        "The interval of the exponent reaches 0 or has no end: the data do not show a power law.",
        "Do not claim one. Add sizes and range.",
    ),
    "FLOOR_OPEN": Code(
        "caution",
        "The interval of the floor reaches 0: the data do not show that the loss levels off.",
        "Quote the law without a floor beside this one.",
    ),
    "PLATEAU": Code(
        "caution",
        "The floor lies close to the best loss (its interval reaches 90 % of the lowest mean). The largest models no "
        "longer improve.",
        "Ask what stops them: the data, the optimiser or the precision.",
    ),
    "NUMERICAL_FLOOR": Code(
        "caution",
        "The floor is within 10 roundings of the number format. The arithmetic stops the loss there, not the model.",
        "Train in a longer format, or fit the sizes before.",
    ),
    "EXTRAPOLATED": Code(
        "caution",
        "A prediction lies more than a factor of 3.2 (half a decade) beyond the sizes that were fitted.",
        "Trust it less. Beyond one decade (0.25 for a law with a break) it must be asked for with `far=True`.",
    ),
    "INTERVALS_DIFFER": Code(
        "caution",
        "Another way of making the interval (bootstrap or sandwich) gives one that is over 1.5 times wider or "
        "narrower. A few sizes carry the exponent, or the noise is not what the law assumes.",
        "Quote both intervals.",
    ),
    "MODEL_DEPENDENT": Code(
        "caution",
        "Another law gives an exponent outside of this one's interval: the exponent depends on the law.",
        "Quote both.",
    ),
    "LAST_VALUE_WINS": Code(
        "caution",
        "Repeating the loss of the largest fitted size predicts larger sizes better than the law does.",
        "Do not extrapolate this law.",
    ),
    "WINDOW": Code(
        "caution",
        "The sizes that were fitted end at the lowest mean loss, so the data chose the cut, and the sizes beyond it "
        "would give another exponent.",
        "Quote the exponent with and without the cut, and find out why the larger models are no better.",
    ),
    "LEFT_OUT": Code(
        "caution",
        "Some budgets have no usable best size and are not in the law.",
        "Try a wider range of sizes at those budgets.",
    ),
    "OFF_CENTRE": Code(
        "caution",
        "At some budgets the best size lies near the edge of the sizes that were tried (in an outer quarter), which "
        "shifts the exponent.",
        "Try sizes on both sides of the best one.",
    ),
    "THIN_QUANTILE": Code(
        "caution",
        "Fewer than 5 runs lie beyond the quantile that was asked for, so the line hangs on single runs.",
        "Add runs, or ask for a quantile nearer to 0.5.",
    ),
    "K_MISMATCH": Code(
        "caution",
        "Bins hold different numbers of runs. The best of more runs looks better by luck alone.",
        "Compare medians, or the expected best of equally many.",
    ),
    "CENSORED": Code(
        "caution",
        "More than 20 % of the runs at a size failed, so the runs that are left may be the lucky ones.",
        "Mend the failed runs, or leave that size out.",
    ),
    "SURVIVOR_BIAS": Code(
        "caution",
        "One arm fails more often than the other (Fisher's exact test, 5 %), so it is judged by its luckier runs.",
        "Mend the failures first.",
    ),
    "REPEATS": Code(
        "caution",
        "Rows of the table repeat a size and a seed. They count as separate runs, because nothing says otherwise.",
        "Name the columns that tell runs apart with `--config`.",
    ),
    "MEDIAN_SIZE": Code(
        "caution",
        "Runs of one configuration differ in size by less than a factor of 2, and all stand at their median size.",
        "Do nothing, if they are repetitions of the same network.",
    ),
    "TWIN_DISAGREES": Code(
        "caution",
        "The ratio that the laws give and the ratio read off the runs without a law exclude each other.",
        "Fit a law that bends, or fewer sizes.",
    ),
    "OUTSIDE_WINDOW": Code(
        "note",
        "Runs outside of the fit window are in no law. The figure draws them hollow.",
        "Compare the exponent with that of the row “without the window”.",
    ),
    "HELD_OUT": Code(
        "note",
        "The largest sizes were held out, and this law makes no prediction for them.",
        "The sentence beside the code says why.",
    ),
    "FAILED": Code(
        "note",
        "Some runs diverged: their loss became infinite or not a number. Or a table says that they did not end well. "
        "They are counted, but they are in no law.",
        "Where they are many, mend the recipe (a smaller learning rate or gain), or compare with care.",
    ),
}
IN_TEXT = re.compile(rf"\b({'|'.join(sorted(CODES, key=len, reverse=True))})\b")


def codes_of(kind: CodeKind) -> dict[str, Code]:
    """The codes of a kind."""
    return {name: code for name, code in CODES.items() if code.kind == kind}


def linked(text: str) -> Markup:
    """The text as HTML, with each code in it a link to its words on the same page."""
    return Markup(IN_TEXT.sub(r'<a class="code" href="#\1">\1</a>', str(escape(text))))
