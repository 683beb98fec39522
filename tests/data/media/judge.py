"""Compares what codecmeter says of the corpus with how the files were made and with ffprobe's count."""
import concurrent.futures
import dataclasses
import re

import corpus
import measuring
import oracle

ROUNDING_S = 0.0011  # of milliseconds


@dataclasses.dataclass
class Verdict:
    case: corpus.Case
    answer: measuring.Answer
    counted: list  # seconds of each stream by ffprobe, or None
    faults: list


def _near(case, seconds):
    """Within one frame, or exactly."""
    return abs(seconds - case.seconds) <= (0 if case.exact else 1 / case.rate) + ROUNDING_S


def faults_of(case, answer):
    """What is wrong with an answer; empty if it is right."""
    if not answer.outputs:
        if case.refused is None or not answer.refusals:
            return [f"{case.seconds:.3f} s expected; {answer}"]
        return [] if re.search(case.refused, answer.refusal) else [f"a reason like '{case.refused}' expected; {answer}"]
    if case.seconds is None:
        return [f"a refusal like '{case.refused}' expected; {answer}"]
    faults = []
    if answer.refusals and (case.refused is None or not re.search(case.refused, answer.refusal)):
        faults.append(f"not all of it is measured: {answer}")
    if len(answer.outputs) != case.outputs:
        faults.append(f"{case.outputs} outputs expected; {answer}")
    faults += [f"{case.seconds:.3f} s expected; {answer}" for output in answer.outputs if not _near(case, output.seconds)][:1]
    sizes = sorted(case.sizes or [case.size]) if case.size or case.sizes else None
    if sizes and sorted(output.size for output in answer.outputs) != sizes:
        faults.append(f"sizes {sizes} expected; {answer}")
    return faults


def probe_faults(case, counted):
    """Where ffprobe does not confirm how a file was made."""
    if len(counted) == case.outputs and all(_near(case, seconds) for seconds in counted):
        return []
    return [f"ffprobe counts {counted} for {case.seconds:.3f} s"]


def _count(directory, case):
    if case.by is None or case.seconds is None:
        return None
    return oracle.seconds(directory / case.name, case.by, case.rate)


def judge(directory, cases=None):
    """One verdict for each case of a corpus that is made."""
    cases = corpus.CASES if cases is None else cases
    answers = measuring.measure(directory / case.name for case in cases)
    with concurrent.futures.ThreadPoolExecutor(measuring.WORKERS) as pool:
        counts = list(pool.map(lambda case: _count(directory, case), cases))
    verdicts = []
    for case, counted in zip(cases, counts):
        answer = answers[str(directory / case.name)]
        faults = faults_of(case, answer) + (probe_faults(case, counted) if counted is not None else [])
        verdicts.append(Verdict(case, answer, counted, faults))
    return verdicts


def table(verdicts):
    """Lines of text: file, what is right, what ffprobe counted, what codecmeter says."""
    rows = [("file", "right", "ffprobe", "codecmeter", "")]
    for verdict in verdicts:
        case = verdict.case
        counted = "-" if verdict.counted is None else " ".join(f"{seconds:.3f}" for seconds in verdict.counted)
        measured = " ".join(f"{output.seconds:.3f}" for output in verdict.answer.outputs) or "refused"
        right = "refused" if case.seconds is None else f"{case.seconds:.3f}" + (f" x {case.outputs}" if case.outputs > 1 else "")
        right += ", or refused" if case.seconds is not None and case.refused else ""
        rows.append((case.name, right, counted, measured, "WRONG" if verdict.faults else "ok"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0])).rstrip() for row in rows]
    wrong = [verdict for verdict in verdicts if verdict.faults]
    lines += [f"{verdict.case.name}: {fault}" for verdict in wrong for fault in verdict.faults]
    return lines + [f"{len(verdicts)} files, {len(wrong)} wrong"]
