"""Alerts, dashboard and log shipping: by promtool, and against the metrics that there are."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.counter_files import DIR_VARIABLE
from app.metrics import Metrics
from app.routes.table import paths
from tests.deploy.tools import ROOT, output_of, run, tool

pytestmark = pytest.mark.deploy

FOLDER = ROOT / "deploy/monitoring"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
ADDED_BY_PROMETHEUS = {"instance", "job", "le", "namespace", "pod"}


@pytest.fixture(scope="module")
def labels_of() -> dict[str, set[str]]:
    """Every series that the service makes, with the names of its labels."""
    assert DIR_VARIABLE not in os.environ
    metrics = Metrics()
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            for suffix in SUFFIXES[metric._type]:
                found[metric._name + suffix] = set(metric._labelnames)
    assert len(found) > 20
    return found


def _queries() -> Iterator[str]:
    """All expressions of dashboard, alerts, their tests, and the autoscaler."""
    for panel in _dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for rule in _rules():
        yield rule["expr"]
    for test in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]:
        yield from (series["series"] for series in test["input_series"])
    values = yaml.safe_load((ROOT / "deploy/kubernetes/adapter-values.yaml").read_text())
    yield from (rule["metricsQuery"] for rule in values["rules"]["custom"])
    yield from (rule["seriesQuery"] for rule in values["rules"]["custom"])


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "grafana/dashboard.json").read_text())
    return found


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_query_asks_for_what_there_is(labels_of: dict[str, set[str]]) -> None:
    seen = 0
    for query in _queries():
        for name, selector in re.findall(r"\b(indextts_\w+)(?:\{([^}]*)\})?", query):
            assert name in labels_of, query
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            assert asked <= labels_of[name] | ADDED_BY_PROMETHEUS, query
            seen += 1
        for grouping in re.findall(r"by \(([\w, ]+)\)", query):
            known = set().union(*labels_of.values()) | ADDED_BY_PROMETHEUS
            assert {name.strip() for name in grouping.split(",")} <= known, query
    assert seen > 40


def test_every_metric_is_on_the_dashboard(labels_of: dict[str, set[str]]) -> None:
    shown = " ".join(target["expr"] for p in _dashboard()["panels"] for target in p["targets"])
    missing = {
        re.sub(r"_(total|bucket|sum|count)$", "", name)
        for name in labels_of
        if re.sub(r"_(total|bucket|sum|count)$", "", name) not in shown
    }
    assert missing == set()


def test_every_panel_keeps_to_the_chosen_instances() -> None:
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            series = re.findall(r"indextts_\w+(\{[^}]*\})?", target["expr"])
            assert all('instance=~"$instance"' in selector for selector in series), panel["title"]


def test_the_dashboard_is_current() -> None:
    written = output_of([sys.executable, FOLDER / "grafana/dashboard.py"])
    assert (FOLDER / "grafana/dashboard.json").read_text() == written


def test_the_alerts_know_every_route_that_speaks() -> None:
    """Nothing renders the alerts: a new route is added to their selectors by hand."""
    speech = "|".join(paths("speech", "stream"))
    rules = {rule["alert"]: rule["expr"] for rule in _rules()}
    selectors = re.findall(r"route[=!~]+\"[^\"]*\"", " ".join(rules.values()))
    assert len(selectors) == 3
    assert set(selectors) == {f'route=~"{speech}"'}
    for name in ("IndexTTSErrors", "IndexTTSOverloaded"):
        assert "route" in rules[name]


def test_the_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in _dashboard()["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in _dashboard()["panels"]}) == len(places)


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus.docker.yml"])
def test_promtool_accepts_the_configuration(name: str) -> None:
    promtool = tool("promtool", "apt: prometheus")
    assert "SUCCESS: 1 rule files found" in output_of([promtool, "check", "config", FOLDER / name])


def test_promtool_accepts_the_queries_of_the_dashboard(tmp_path: Any) -> None:
    promtool = tool("promtool", "apt: prometheus")
    rules = [
        {"record": f"query:{index}", "expr": query.replace("$__rate_interval", "5m")}
        for index, query in enumerate(
            target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"]
        )
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in output_of([promtool, "check", "rules", path])


def test_the_alerts_come_when_they_should() -> None:
    done = run([tool("promtool", "apt: prometheus"), "test", "rules", FOLDER / "alerts_test.yml"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_both_ways_and_says_what_to_do() -> None:
    fires: set[str] = set()
    rests: set[str] = set()
    for test in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            (fires if case["exp_alerts"] else rests).add(case["alertname"])
    names = {rule["alert"] for rule in _rules()}
    assert fires == names
    assert rests == names
    assert all(set(rule["annotations"]) == {"summary", "action"} for rule in _rules())


def test_prometheus_asks_at_the_ports_of_the_units() -> None:
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = configuration["scrape_configs"]
    unit = (ROOT / "deploy/systemd/indextts@.service").read_text()
    (pattern,) = re.findall(r"INDEXTTS_BIND=unix:\S+,(\S+)$", unit, flags=re.M)
    expected = [pattern.replace("%i", number) for number in "01"]
    assert job["static_configs"][0]["targets"] == expected
    # IndexTTSInstanceDown looks for this name.
    assert job["job_name"] == "indextts"


def test_the_log_shipping_hangs_together() -> None:
    vector = yaml.safe_load((FOLDER / "vector.yaml").read_text())
    known = set(vector["sources"]) | set(vector["transforms"])
    used = [
        name
        for part in (*vector["transforms"].values(), *vector["sinks"].values())
        for name in part["inputs"]
    ]
    assert set(used) == known, "every part has a source, and all that is made is used"
    assert vector["sources"]["nginx"]["include"] == [
        re.findall(r"access_log (\S+) indextts_json", (ROOT / "nginx/indextts.conf").read_text())[0]
    ]
    secrets = json.dumps(vector["sinks"]["elasticsearch"]["auth"])
    assert re.findall(r"\$\{(\w+)\}", secrets) == ["ELASTICSEARCH_USER", "ELASTICSEARCH_PASSWORD"]
