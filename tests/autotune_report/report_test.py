#!/usr/bin/env python3
"""The page of a tuning (schedules/autotune/report): its sections, odd results, its errors, and how a browser shows it. Exits 77, which CTest
takes for "skipped", where matplotlib is missing.

    report_test.py [unittest's arguments]
    report_test.py --sample RESULT.json      a made-up result, to look at its page
"""
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from html.parser import HTMLParser
from pathlib import Path

REPORT = Path(__file__).parents[2] / "schedules" / "autotune" / "report"
SPACE = {"block_q": [96, 144, 192, 288], "block_kv": [32, 64, 128, 256], "tile_q": [1, 2, 3, 4], "tile_kv": [4, 8, 12], "unroll": [1, 2, 4],
         "tile_d": [4, 8]}
DEFAULT = {"block_q": 192, "block_kv": 64, "tile_q": 3, "tile_kv": 8, "unroll": 2, "tile_d": 8}
SHAPES = ["b=1,h=8,hkv=2,sq=512,skv=512", "b=1,h=8,hkv=2,sq=4096,skv=4096", "b=4,h=8,hkv=2,sq=64,skv=2048"]
SECTIONS = ["best", "parameters", "effects", "roofline", "lengths", "predicted", "leaders", "failures"]
PLOTS = ["curves", "effects", "roofline", "predicted"]
MASK = 'error: mask "q < kv && b > 0 <script>alert(1)</script>" needs $x_1$ \x07'


def slowness(point):
    """A made-up kernel: 1 at its best, with a parameter that matters much, some that matter less and one that does not."""
    return (math.exp(0.5 * abs(point["tile_q"] - 4)) * (1 + 0.1 * abs(math.log2(point["block_kv"] / 128))) *
            (1 + 0.04 * (point["tile_kv"] != 12)) * (1 + 0.03 * abs(math.log2(point["block_q"] / 288))))


def sample(trials=120, shapes=1, failing=0.08, predictions=True, by_shape=False, seed=1):
    """As attune tune --json prints it. failing: the share of trials that fail; 1: all but the default."""
    draw = random.Random(seed)
    base = [1.7 * 4**i for i in range(shapes)]
    flops = [5e8 * 4**i for i in range(shapes)]
    names = [SHAPES[i % len(SHAPES)] for i in range(shapes)]
    rows, best = [], []
    for index in range(trials):
        point = dict(DEFAULT) if index == 0 else {name: draw.choice(values) for name, values in SPACE.items()}
        row = {"index": index, "parameters": point, "outcome": "ok", "compile_s": 1.5, "elapsed_s": 2.5 * (index + 1)}
        if predictions:
            row["predicted_ms"] = 0.8 * slowness(point) * draw.lognormvariate(0, 0.1)
        if index and draw.random() < failing:
            row["outcome"] = draw.choice(["compile_failed", "crashed", "timed_out", "wrong"])
            row["message"] = MASK if row["outcome"] == "compile_failed" else f"{row['outcome']} at element {draw.randrange(3)}"
        else:
            noise = 1 if index == 0 else draw.lognormvariate(0, 0.01)
            row["median_ms"] = [ms * slowness(point) * noise for ms in base]
            row["spread"] = [0.01] * shapes
            row["score"] = slowness(point) * noise / slowness(DEFAULT)
            row["error_share"] = 0.02
        rows.append(row)
        best.append(min([row.get("score", math.inf), *best[-1:]]))
    ok = sorted((row for row in rows if row["outcome"] == "ok"), key=lambda row: row["score"])
    leaders = []
    for row in ok[:5] + ([rows[0]] if rows[0] not in ok[:5] else []):
        gflops = [f / ms * 1e-6 for f, ms in zip(flops, row["median_ms"])]
        leaders.append({"parameters": row["parameters"], "trial": row["index"], "score": row["score"], "median_ms": row["median_ms"],
                        "spread": row["spread"], "gflops": gflops, "intensity": [60 * 2**i for i in range(shapes)],
                        "share_of_limit": [g / 500 for g in gflops]})
    failed = {}
    for row in rows:
        if row["outcome"] != "ok":
            failed[row["outcome"]] = failed.get(row["outcome"], 0) + 1
    chosen = leaders[0]
    result = {"kernel": "attune_prefill_f32_d128_g4_3fa1c20b__avx512", "target": "avx512", "family": "cpu_query_lanes", "threads": 2,
              "shapes": names, "machine": {"cpu": "Example CPU @ 2.60GHz", "peak_gflops": 265.0, "levels": [
                  {"level": "L1", "bytes": 49152.0, "gbs": 420.0}, {"level": "L2", "bytes": 2097152.0, "gbs": 95.0},
                  {"level": "L3", "bytes": 5e7, "gbs": 24.0}, {"level": "memory", "bytes": None, "gbs": 11.0}]},
              "parameters": [{"name": name, "values": values} for name, values in SPACE.items()], "default": dict(DEFAULT),
              "chosen": chosen["parameters"], "speed_up": 1 / chosen["score"], "by_shape": [], "table": None, "leaders": leaders, "stopped_by": "trials",
              "resumed": 0, "seconds": 2.5 * trials, "failed": failed, "best_so_far": best, "trials": rows}
    if by_shape:
        result["by_shape"] = [{"shape": name, "chosen": leaders[i % len(leaders)]["parameters"], "speed_up": 1.5}
                              for i, name in enumerate(names)]
        result["table"] = {"rules": [{"calls": "where seq_len_q <= 128", "most_seq_len_q": 128, "most_seq_len_kv": 0, "parameters": leaders[1]["parameters"]},
                                     {"calls": "where seq_len_kv <= 1024", "most_seq_len_q": 0, "most_seq_len_kv": 1024, "parameters": result["default"]}],
                           "otherwise": leaders[0]["parameters"], "speed_up": 1.625}
    return result


if __name__ == "__main__" and sys.argv[1:2] == ["--sample"]:
    Path(sys.argv[2]).write_text(json.dumps(sample(shapes=3, by_shape=True)))
    sys.exit()

try:
    import matplotlib  # noqa: F401  only whether it is there
except ImportError:
    print("skipped: matplotlib is missing; pip install matplotlib")
    sys.exit(77)

sys.dont_write_bytecode = True
sys.path.insert(0, str(REPORT))
import drawing  # noqa: E402  of the report
import effects  # noqa: E402
import predicted  # noqa: E402
from curves import best_so_far  # noqa: E402
from result import Level, read_result  # noqa: E402
from roofline import level_labels  # noqa: E402

VOID = {"meta", "br", "link", "img", "hr", "input", "wbr"}


class Page(HTMLParser):
    """Which elements open in which sections, all attributes, and whether everything that opens closes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.addresses, self.errors, self.words = [], [], [], [], [], []
        self.feed(text)
        self.close()
        self.errors += [f"<{tag}> stays open" for tag in self.open]
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "action", "data") or (value and "url(" in value):
                self.addresses.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data.strip())


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="attune-report-test-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.result, self.out = self.folder / "result.json", self.folder / "out.html"

    def run_report(self, *words, python=(), **more):
        return subprocess.run([sys.executable, *python, str(REPORT), *map(str, words)], capture_output=True, text=True, timeout=120, **more)

    def page_text(self, result):
        self.result.write_text(json.dumps(result))
        done = self.run_report(self.result, "-o", self.out)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        return self.out.read_text(encoding="utf-8")

    def page(self, result):
        """The page, after what holds for every page was checked."""
        text = self.page_text(result)
        page = Page(text)
        self.assertEqual(page.errors, [])
        self.assertEqual([name for name in page.ids if name in SECTIONS], SECTIONS)
        self.assertEqual(len(page.ids), len(set(page.ids)), "identifiers repeat")
        self.assertEqual([a for a in page.addresses if not a.startswith(("#", "url(#"))], [], "the page refers to something outside")
        self.assertNotIn("script", page.tags)
        for word in ("nan", "inf", "None", "null", "undefined"):
            self.assertIsNone(re.search(rf"(?<![A-Za-z]){word}(?![A-Za-z])", page.text), word)
        for svg in self.svgs(text):
            numbers = [value for element in xml.fromstring(svg).iter() for name, value in element.attrib.items() if name in ("d", "x", "y")]
            self.assertNotIn("nan", " ".join(numbers))
        return page

    @staticmethod
    def svgs(text):
        return re.findall(r"<svg .*?</svg>", text, re.DOTALL)

    def error(self, code, words, *parts, python=(), **more):
        before = sorted(os.listdir(self.folder))
        done = self.run_report(*words, python=python, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in ("attune: ", *parts):
            self.assertIn(part, done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before, "left files behind")

    # What a page holds

    def test_holds_all_sections_and_plots(self):
        result = sample()
        page = self.page(result)
        self.assertEqual(len(self.svgs(self.out.read_text(encoding="utf-8"))), len(PLOTS))
        self.assertIn(result["kernel"], page.words)
        self.assertIn(f"{result['speed_up']:.3f} ×", page.text)
        self.assertIn("Example CPU @ 2.60GHz", page.text)

    def test_is_the_same_each_time(self):
        self.assertEqual(self.page_text(sample()), self.page_text(sample()))

    def test_several_shapes(self):
        page = self.page(sample(shapes=3, by_shape=True))
        for shape in SHAPES:
            self.assertIn(shape, page.text)
        self.assertIn("best for this shape alone", page.text)

    def test_a_table_of_schedules(self):
        page = self.page(sample(shapes=3, by_shape=True))
        self.assertEqual(page.text.count("1.625 ×"), 2)
        rows = re.findall(r"<tr>.*?</tr>", self.out.read_text(encoding="utf-8").split('<section id="lengths">')[1].split("</section>")[0])[1:]
        self.assertEqual(len(rows), 3)
        #  the rule              the shape that it takes: of 64 queries, of 512 keys, neither
        for row, calls, shape in zip(rows, ("where seq_len_q &lt;= 128", "where seq_len_kv &lt;= 1024", "otherwise"), (SHAPES[2], SHAPES[0], SHAPES[1])):
            self.assertIn(f"<td class=text>{calls}</td>", row)
            self.assertEqual([s for s in SHAPES if s in row.replace("<wbr>", "")], [shape])
        self.assertIn("<td class=text>default</td>", rows[1])
        self.assertIn("</code> 1.000 ×", rows[1])

    def test_no_table(self):
        self.assertIn("tuned without --by-shape", self.page(sample()).text)
        result = sample(shapes=3, by_shape=True)
        for none in (lambda: result.update(table=None), lambda: result.pop("table")):  # no rule; written by an older version
            none()
            self.assertIn("no table of several would save enough", self.page(result).text)

    def test_sorts_parameters_by_what_they_explain(self):
        page = self.page(sample(trials=400))
        places = [page.words.index(name) for name in ("tile_q", "block_kv", "unroll")]
        self.assertEqual(places, sorted(places))

    def test_escapes_texts(self):
        result = sample(trials=200, failing=0.3)
        result["kernel"] = '<b id="x">&amp; $a_b$ \ud800 --> ]]>'
        result["machine"]["cpu"] = MASK
        result["shapes"] = ["<i>&</i> $x^2$"]
        result["machine"]["levels"][0]["level"] = "<L1 & $x$>"
        for trial in result["trials"]:
            trial["outcome"] = {"wrong": "<wrong> & $y$"}.get(trial["outcome"], trial["outcome"])
        page = self.page(result)
        self.assertIn('<b id="x">&amp; $a_b$ \ufffd --> ]]>', page.words)
        self.assertIn("<L1 & $x$> 840 GB/s", page.words)
        self.assertIn("<wrong> & $y$", page.words)
        self.assertIn(MASK.replace("\x07", "\ufffd"), page.words)
        self.assertNotIn("x", page.ids)

    # Odd results

    def test_only_the_default(self):
        page = self.page(sample(trials=1))
        self.assertIn("The default schedule stays", page.text)
        self.assertIn("No parameter was measured at more than one value.", page.text)

    def test_all_failed_but_the_default(self):
        page = self.page(sample(trials=40, failing=1))
        self.assertIn("The default schedule stays", page.text)
        self.assertIn("39 failed", page.text)

    def test_no_predictions(self):
        self.assertIn("no predictions", self.page(sample(predictions=False)).text)

    def test_equal_times(self):
        result = sample(trials=10, failing=0)
        for trial in result["trials"]:
            trial.update(score=1.0, median_ms=[2.0], predicted_ms=1.0)
        self.page(result)

    def test_no_limits_of_the_machine(self):
        result = sample()
        result["machine"].update(peak_gflops=0, levels=[])
        self.assertIn("holds no limits", self.page(result).text)

    def test_numbers_that_json_has_no_word_for(self):
        result = sample()
        result["trials"][3].update(outcome="ok", score=None, median_ms=[None], spread=[None])
        result["trials"][4]["predicted_ms"] = None
        for leader in result["leaders"][:2]:
            leader.update(gflops=[None], share_of_limit=[None], spread=[None])
        result["seconds"] = None
        self.page(result)
        for trial in result["trials"]:
            trial["score"] = None
        self.page(result)

    def test_a_schedule_that_is_a_thousand_times_slower(self):
        result = sample(trials=30, failing=0)
        result["trials"][7].update(score=1000.0, median_ms=[1700.0])
        self.page(result)

    def test_many_shapes_and_parameters_with_many_values(self):
        result = sample(trials=300, shapes=12)
        for trial in result["trials"][1:]:
            trial["parameters"]["unroll"] = trial["index"] % 40 + 1
        for leader in result["leaders"]:
            leader["parameters"] = result["trials"][leader["trial"]]["parameters"]
        result["chosen"] = result["leaders"][0]["parameters"]
        self.page(result)

    def test_thousands_of_trials_stay_a_small_page(self):
        result = sample(trials=8000)
        self.page(result)
        self.assertLess(self.out.stat().st_size, 2_500_000)

    def test_a_default_that_is_not_on_the_grid(self):
        result = sample()
        result["default"]["block_q"] = result["trials"][0]["parameters"]["block_q"] = 200
        for leader in result["leaders"]:
            if leader["trial"] == 0:
                leader["parameters"] = result["default"]
        self.page(result)

    # Files

    def test_replaces_an_older_page(self):
        self.out.write_text("old")
        self.page(sample())

    def test_takes_a_result_from_any_folder(self):
        self.result.write_text(json.dumps(sample()))
        done = self.run_report("result.json", "-o", "here.html", cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(sorted(os.listdir(self.folder)), ["here.html", "result.json"])

    # Errors

    def test_usage(self):
        self.error(2, [], "RESULT.json", "usage: ")
        self.error(2, [self.result], "-o", "usage: ")
        self.error(2, [self.result, "-o", self.out, "--unknown"], "--unknown", "usage: ")

    def test_no_file(self):
        self.error(3, [self.result, "-o", self.out], str(self.result), "No such file", "expected", "; ")

    def test_files_that_are_no_result(self):
        whole = sample(trials=4, failing=0)
        rows = (
            #  file                                                      what the line names
            ("",                                                         "expected JSON"),
            ("{",                                                        "expected JSON"),
            ("[" * 100000,                                               "expected JSON"),
            ("[]",                                                       "the file is [], expected an object"),
            ("{}",                                                       "the file has no parameters"),
            ({key: whole[key] for key in whole if key != "trials"},      "the file has no trials"),
            ({**whole, "trials": 3},                                     "trials is 3, expected a list"),
            ({**whole, "threads": True},                                 "threads is true, expected an integer"),
            ({**whole, "threads": 10**30},                               "expected an integer of 64 bits"),
            ({**whole, "shapes": []},                                    "shapes is [], expected at least one shape"),
            ({**whole, "leaders": []},                                   "leaders has no trial 0"),
            ({**whole, "default": {}},                                   "default has no block_q"),
            ({**whole, "trials": [{**whole["trials"][0], "score": "x"}]}, 'trials[0].score is "x", expected a number'),
            ({**whole, "shapes": ["a", "b"]},                            "leaders[0].median_ms has 1 numbers, expected 2"),
        )
        for content, part in rows:
            with self.subTest(part):
                self.result.write_text(content if isinstance(content, str) else json.dumps(content))
                self.error(3, [self.result, "-o", self.out], f"{self.result}: ", part, "expected", "; write it with 'attune tune")

    def test_bytes_that_are_no_text(self):
        self.result.write_bytes(b"\xff\xfe\x00{}")
        self.error(3, [self.result, "-o", self.out], str(self.result), "expected JSON")

    def test_a_folder_that_is_not_there(self):
        self.result.write_text(json.dumps(sample(trials=3)))
        self.error(3, [self.result, "-o", self.folder / "none" / "out.html"], "none/out.html: No such file", "expected", "; ")

    def test_a_folder_in_place_of_the_page(self):
        self.result.write_text(json.dumps(sample(trials=3)))
        self.out.mkdir()
        self.error(3, [self.result, "-o", self.out], "out.html: Is a directory", "expected", "; ")

    def test_without_matplotlib(self):
        self.result.write_text(json.dumps(sample(trials=3)))
        self.error(3, [self.result, "-o", self.out], "matplotlib", "pip install matplotlib", python=["-S"])  # -S: no installed packages

    # What is computed for the plots

    def test_best_so_far_is_attunes(self):
        made = sample(failing=0)
        self.result.write_text(json.dumps(made))
        self.assertEqual(best_so_far(read_result(str(self.result)).trials), made["best_so_far"])

    def test_rank_correlation(self):
        self.assertEqual(predicted.ranks([3, 1, 3, 2]), [3.5, 1, 3.5, 2])
        self.assertAlmostEqual(predicted.rank_correlation([1, 2, 3, 4], [1, 8, 27, 64]), 1)
        self.assertAlmostEqual(predicted.rank_correlation([1, 2, 3, 4], [9, 7, 5, 3]), -1)
        self.assertAlmostEqual(predicted.rank_correlation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), 0.8)
        self.assertIsNone(predicted.rank_correlation([1, 1, 1], [1, 2, 3]))

    def test_share_that_a_parameter_explains(self):
        made = sample(trials=2000, failing=0)
        for trial in made["trials"]:
            trial["score"] = math.exp(0.1 * trial["parameters"]["tile_q"])
        self.result.write_text(json.dumps(made))
        result = read_result(str(self.result))
        self.assertAlmostEqual(effects.share_explained(result, "tile_q"), 1)
        self.assertLess(effects.share_explained(result, "unroll"), 0.01)
        self.assertEqual(effects.ranked(result)[0][0], "tile_q")

    def test_levels_that_are_equally_fast_share_a_label(self):
        levels = [Level("L1", 50.0), Level("L2", 20.0), Level("L3", 19.0), Level("memory", 8.0)]
        self.assertEqual(level_labels(levels, 2), [("memory 16 GB/s", 16), ("L2 40, L3 38 GB/s", 40), ("L1 100 GB/s", 100)])

    def test_warns_of_a_spread_that_is_larger_than_the_gain(self):
        result = sample()
        self.assertNotIn("quiet machine", self.page(result).text)
        result["leaders"][0]["spread"] = [1.5]
        self.assertIn("Times spread by up to 150 %", self.page(result).text)

    def test_thinning_keeps_the_ends(self):
        self.assertEqual(drawing.thin([1, 2, 3], 5), [1, 2, 3])
        some = drawing.thin(range(10000), 100)
        self.assertEqual((len(some), some[0], some[-1]), (100, 0, 9999))

    # A browser

    def test_a_browser_shows_it(self):
        browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
        if not browser:
            self.skipTest("neither chromium nor google-chrome is on PATH")
        try:
            from PIL import Image
        except ImportError:
            self.skipTest("the Python package pillow is missing")
        self.page_text(sample(shapes=3, by_shape=True))
        picture = self.folder / "page.png"
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,3400",
                               f"--user-data-dir={self.folder}/profile", f"--screenshot={picture}", self.out.as_uri()],
                              capture_output=True, text=True, timeout=120)
        if done.returncode or not picture.exists():
            self.skipTest(f"{browser} took no picture: {done.stderr[-300:]}")
        with Image.open(picture) as image:
            self.assertEqual(image.width, 1200)
            colours = {colour: count for count, colour in image.convert("RGB").getcolors(1 << 24)}
        self.assertLess(colours[(255, 255, 255)], 0.97 * sum(colours.values()), "the page is blank")
        for colour, least in (((0xd1, 0x49, 0x5b), 500), ((0x30, 0x63, 0x8e), 300), ((0xd9, 0x8e, 0x04), 10)):  # tuned, default, failed
            self.assertGreater(colours.get(colour, 0), least, f"{colour}")


if __name__ == "__main__":
    unittest.main()
