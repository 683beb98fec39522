"""Every kind of file that people bring: codecmeter's answer against how the file was made, and against ffprobe's count of its
pictures, within one frame. ../data/media/corpus.py has the files and their right answers. With -s a table is printed."""
import pytest

from made import corpus, made  # noqa: F401 (a fixture)

import judge


@pytest.fixture(scope="module")
def verdicts(made):
    verdicts = judge.judge(made)
    print("\n" + "\n".join(judge.table(verdicts)))
    return {verdict.case.name: verdict for verdict in verdicts}


@pytest.mark.parametrize("name", [case.name for case in corpus.CASES])
def test_a_file(verdicts, name):
    assert verdicts[name].faults == []


def test_the_judge_finds_faults():
    """What it accepts and what it does not: a wrong length, size, number of outputs or reason."""
    right = judge.measuring.Output("a", "h264", (160, 90), 10.02, "1:")
    case = corpus.Case("a", None, 10)
    answer = judge.measuring.Answer
    for outputs, refusals, changes, is_right in (
            ([right], [], {}, True), ([right], [], {"seconds": 9.95}, False), ([right], [], {"seconds": 10.07}, False),
            ([right], [], {"size": (90, 160)}, False), ([right], [], {"outputs": 2}, False), ([right, right], [], {}, False),
            ([right, right], [], {"outputs": 2, "sizes": ((160, 90), (160, 90))}, True), ([right], ["half"], {}, False),
            ([right], ["half"], {"refused": "half"}, True), ([], [], {}, False), ([], ["x"], {}, False), ([], [], {"refused": "."}, False),
            ([], ["no video"], {"seconds": None, "refused": "no video"}, True), ([], ["else"], {"seconds": None, "refused": "no video"}, False),
            ([right], [], {"seconds": None, "refused": "."}, False), ([], ["elsewhere"], {"refused": "elsewhere"}, True)):
        faults = judge.faults_of(judge.dataclasses.replace(case, **changes), answer(outputs, refusals))
        assert (faults == []) == is_right, (outputs, refusals, changes, faults)
    for counted, is_right in (([10.0], True), ([10.04], True), ([10.08], False), ([9.9], False), ([], False), ([10.0, 10.0], False)):
        assert (judge.probe_faults(case, counted) == []) == is_right, counted
