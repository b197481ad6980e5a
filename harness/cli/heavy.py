"""What commands load when they are called, with pandas, scipy.stats and matplotlib: see
`harness.cli.later`.
"""
# ruff: noqa: F401

from harness.judging.by_laws import ComparisonRequest, curves_of_laws
from harness.judging.design import Asked
from harness.judging.foreseen import Power, foresee
from harness.judging.forms import over_compute
from harness.judging.judge import sentence
from harness.judging.laws import AUTO, SIGMOID, fit_table
from harness.judging.request import FitsAnswer, Form, SizeRange, form_asked
from harness.judging.scaling import headline_axes
from harness.judging.verdict import Answers, not_run
from harness.judging.versus import Headline, NoHeadline
from harness.show.figures.beliefs import beliefs_figure, course_figure
from harness.show.figures.forms import form_figure
from harness.show.figures.labels import task_titles
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import scaling_figure
from harness.show.figures.series import experiment_styles, named_styles
from harness.show.figures.theme import write_figure
from harness.show.figures.versus import TITLE_LETTERS, versus_figure
from harness.show.pages.markdown import answer_markdown
from harness.show.pages.verdicts import keep_verdicts, write_verdicts
from harness.show.tables.comparison import (
    compare_sentences,
    compare_tables,
    multiplier_table,
    ratios_sentences,
    ratios_table,
    verdict_words,
)
from harness.show.tables.forms import form_sentences, form_tables
from harness.show.tables.headline import READINGS, WIDTH, console_lines, reading_rows, wrapped
from harness.show.tables.laws import (
    IN_THE_REPORT,
    checklists,
    law_sentences,
    law_tables,
    note_sentences,
    uncrossed,
)
from harness.show.tables.to_come import (
    ahead_tables,
    design_frame,
    design_sentences,
    power_sentences,
    power_table,
)
from harness.show.tables.verdicts import answer_sentences, rules_table
from harness.show.words import loss_of_laws
from harness.study.analysis import (
    Analysis,
    Answered,
    analyse,
    analyse_and_report,
    answer_of,
    compare_sides,
    fits_of,
    keep_analysis,
    recorded_tables,
)
from harness.study.tables import (
    Door,
    compared_by_laws,
    designed,
    fits_answer,
    keeping_fits,
    open_door,
    runs_of_form,
    shape_answer,
)
from harness.study.training import run_file, train_missing
