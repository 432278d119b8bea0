"""The Kubernetes manifests: against the schemas, and against each other and the service."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.routes.table import ROUTES, Route
from app.settings import Settings
from app.settings.source import load_settings, unknown_variables
from tests.deploy.tools import ROOT, output_of

pytestmark = pytest.mark.deploy

FOLDER = ROOT / "deploy/kubernetes"
# Not of Kubernetes itself.
OTHER = {"kustomization.yaml", "adapter-values.yaml"}


def _load(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def _manifests() -> dict[str, dict[str, Any]]:
    """All of them, by kind; there is one of each."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name not in OTHER:
            for document in _load(path):
                assert document["kind"] not in found
                found[document["kind"]] = document
    return found


def _pod(kind: str) -> dict[str, Any]:
    pod: dict[str, Any] = _manifests()[kind]["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("version", ["oldest", "newest"])
def test_the_schemas_accept_them(version: str) -> None:
    validate = pytest.importorskip(
        "kubernetes_validate", reason="not installed (PyPI: kubernetes-validate)"
    )
    # autoscaling/v2 and the fields used here are there since 1.24.
    number = "1.25" if version == "oldest" else validate.latest_version()
    for manifest in _manifests().values():
        validate.validate(manifest, number, strict=True)


def test_a_mistake_would_be_found() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="PyPI: kubernetes-validate")
    manifest = _manifests()["Deployment"]
    manifest["spec"]["template"]["spec"]["containrs"] = []
    with pytest.raises(validate.ValidationError):
        validate.validate(manifest, validate.latest_version(), strict=True)


def test_kustomize_names_every_file() -> None:
    (kustomization,) = _load(FOLDER / "kustomization.yaml")
    files = {path.name for path in FOLDER.glob("*.yaml")} - OTHER
    assert set(kustomization["resources"]) == files


def test_the_service_understands_its_settings() -> None:
    data = _manifests()["ConfigMap"]["data"]
    assert unknown_variables(data) == []
    assert load_settings(data).has_auth
    # A Service called indextts would set INDEXTTS_PORT=tcp://... for every pod.
    for kind in ("Deployment", "Job"):
        assert _pod(kind)["enableServiceLinks"] is False


def test_the_times_fit_each_other() -> None:
    settings = Settings()
    pod = _pod("Deployment")
    (container,) = pod["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > settings.graceful_seconds + pause
    annotations = _manifests()["Ingress"]["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    read = int(annotations[f"{prefix}read-timeout"])
    assert read > settings.request_seconds
    # As in nginx/render.py: a crash is tried again, a read timeout is not.
    assert settings.request_seconds < int(annotations[f"{prefix}next-upstream-timeout"]) < read
    assert int(annotations[f"{prefix}body-size"].rstrip("m")) * 2**20 > settings.max_body_bytes


def test_probes_and_names_lead_somewhere() -> None:
    manifests = _manifests()
    pod = _pod("Deployment")
    (container,) = pod["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/health"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["startupProbe"]["httpGet"]["path"] == "/health/live"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    selector = manifests["Deployment"]["spec"]["selector"]["matchLabels"]
    assert manifests["Deployment"]["spec"]["template"]["metadata"]["labels"] == selector
    assert manifests["Service"]["spec"]["selector"] == selector
    for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert manifests[kind]["spec"][field]["matchLabels"] == selector
    assert manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["kind"] == "Deployment"
    claims = [
        v["persistentVolumeClaim"]
        for k in ("Deployment", "Job")
        for v in _pod(k)["volumes"]
        if "persistentVolumeClaim" in v
    ]
    assert {claim["claimName"] for claim in claims} == {"indextts-weights"}
    for kind in ("Deployment", "Job"):
        names = {volume["name"] for volume in _pod(kind)["volumes"]}
        assert {mount["name"] for mount in _pod(kind)["containers"][0]["volumeMounts"]} == names


def test_no_pod_is_root_or_writes_to_its_image() -> None:
    for kind in ("Deployment", "Job"):
        pod = _pod(kind)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        context = pod["containers"][0]["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_is_published_but_those_for_the_inside(route: Route) -> None:
    (rule,) = _manifests()["Ingress"]["spec"]["rules"]
    found = [path for path in rule["http"]["paths"] if _leads_to(path, route.path)]
    assert len(found) == (0 if route.kind == "hidden" else 1)


def _leads_to(path: dict[str, Any], asked: str) -> bool:
    """As Kubernetes matches: a prefix counts in whole parts between slashes."""
    known = str(path["path"])
    if path["pathType"] == "Exact":
        return known == asked
    assert path["pathType"] == "Prefix"
    return f"{asked}/".startswith(known.rstrip("/") + "/")


def test_streams_are_not_held_back() -> None:
    annotations = _manifests()["Ingress"]["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert annotations["nginx.ingress.kubernetes.io/proxy-http-version"] == "1.1"


def test_the_autoscaler_asks_for_a_metric_that_the_adapter_makes() -> None:
    (metric,) = _manifests()["HorizontalPodAutoscaler"]["spec"]["metrics"]
    (values,) = _load(FOLDER / "adapter-values.yaml")
    (rule,) = values["rules"]["custom"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    settings = Settings()
    # Below what fits in, or it would never grow.
    assert 1 < float(metric["pods"]["target"]["averageValue"]) < 1 + settings.queue_size
    assert set(re.findall(r"indextts_\w+", rule["metricsQuery"])) == {
        "indextts_queue_length",
        "indextts_running",
    }


def test_the_job_runs_a_command_that_exists() -> None:
    (container,) = _pod("Job")["containers"]
    _, *command = container["command"]
    subcommand, option, folder = container["args"]
    said = output_of([sys.executable, *command, subcommand, "--help"])
    assert option in said
    assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
