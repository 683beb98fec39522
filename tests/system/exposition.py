"""A strict reader of Prometheus' text format and of OpenMetrics, written from their specifications."""
import re

NAME = r"[a-z][a-z0-9_]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{({NAME}=\"[^\"\\\n]*\"(?:,{NAME}=\"[^\"\\\n]*\")*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}


class Family:
    def __init__(self, name):
        self.name, self.type, self.help, self.unit, self.samples = name, None, None, "", {}


def labels_of(text):
    return tuple(re.findall(rf'({NAME})="([^"]*)"', text or ""))


def read(text, is_open):
    """The families by name; the text must keep every rule of its format."""
    assert text.endswith("# EOF\n" if is_open else "\n") and "\n\n" not in text
    lines = text.split("\n")[:-2 if is_open else -1]
    families, family = {}, None
    for line in lines:
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE", "UNIT") and (is_open or word != "UNIT"), line
            if family is None or family.name != name:
                assert name not in families, f"{name} is not in one piece"
                family = families[name] = Family(name)
            assert not family.samples and getattr(family, word.lower()) in (None, ""), line
            setattr(family, word.lower(), rest)
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        name, labels, value = found[1], labels_of(found[2]), found[3]
        expected = family.name
        kinds = [expected + suffix for suffix in SUFFIXES[family.type]] if is_open or family.type == "histogram" else [expected]
        if is_open and family.type in ("counter", "histogram"):
            kinds.append(expected + "_created")
        assert name in kinds, line
        assert len({key for key, _ in labels}) == len(labels), line
        assert (name, labels) not in family.samples, line
        family.samples[name, labels] = float(value)
    for family in families.values():
        check(family, is_open)
    return families


def check(family, is_open):
    assert family.help and family.type in SUFFIXES, family.name
    assert not family.unit or family.name.endswith("_" + family.unit)
    if not is_open:
        assert family.type != "counter" or family.name.endswith("_total"), family.name
    if family.type != "histogram":
        return
    series = {}
    for (name, labels), value in family.samples.items():
        if name.endswith("_bucket"):
            plain = tuple(label for label in labels if label[0] != "le")
            series.setdefault(plain, []).append((float(dict(labels)["le"]), value))
    for labels, buckets in series.items():
        assert [bound for bound, _ in buckets] == sorted({bound for bound, _ in buckets}) and buckets[-1][0] == float("inf")
        counts = [count for _, count in buckets]
        assert counts == sorted(counts) and counts[-1] == family.samples[family.name + "_count", labels], family.name


def samples(text, is_open=False):
    """{(name, labels): value} of all families."""
    return {key: value for family in read(text, is_open).values() for key, value in family.samples.items()}
