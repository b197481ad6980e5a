"""The folder of kept verdicts: what earlier rules kept stays there, and is named beside the page."""

from harness.base.json_text import FORMAT, write_json
from harness.show.pages.verdicts import keep_verdicts


def test_what_an_earlier_format_kept_stays_and_is_named(tmp_path):
    kept = tmp_path / "verdicts"
    answer = {"question": "Which is better?", "commits": [], "runs": 3, "diverged": 0, "notes": [], "verdicts": []}
    for name in ("earlier", "now"):
        (kept / name).mkdir(parents=True)
        path = write_json({**answer, "name": name, "file": f"{name}.yaml", "why": ""}, kept / name / "verdicts.json")
        if name == "earlier":
            path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    before = (kept / "earlier" / "verdicts.json").read_bytes()
    keep_verdicts([], tmp_path, kept)
    readme, page = ((kept / name).read_text() for name in ("README.md", "verdicts.html"))
    assert "because their rules are of an earlier version: [earlier](earlier/verdicts.json)." in readme
    assert "[now](now/verdicts.json)" in readme
    assert "now.yaml" in page
    assert "earlier.yaml" not in page
    assert (kept / "earlier" / "verdicts.json").read_bytes() == before
