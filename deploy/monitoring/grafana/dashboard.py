#!/usr/bin/env python3
"""Write the Grafana dashboard: ``dashboard.py > dashboard.json``.

The panels are a table of titles, units and queries; the rest of the JSON is always the same.  The
routes that speak are those of ``app/routes/table.py``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from app.routes.table import paths  # noqa: E402

COLUMNS = 3
WIDTH, HEIGHT = 24 // COLUMNS, 8
INSTANCES = 'instance=~"$instance"'
SPEECH = f'route=~"{"|".join(paths("speech", "stream"))}",{INSTANCES}'
WHOLE = f'route=~"{"|".join(paths("speech"))}",{INSTANCES}'


@dataclass(frozen=True)
class Panel:
    """A graph: its queries by legend."""

    title: str
    unit: str
    queries: dict[str, str]
    stacked: bool = False


def quantiles(
    metric: str, labels: str = INSTANCES, percents: tuple[int, ...] = (50, 95, 99)
) -> dict[str, str]:
    """Median and tails of a histogram."""
    rate = f"sum by (le) (rate({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return {f"p{percent}": f"histogram_quantile(0.{percent}, {rate})" for percent in percents}


def rate(metric: str, by: str, labels: str = INSTANCES) -> dict[str, str]:
    """A counter's rate, for each value of a label."""
    expression = f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"
    return {f"{{{{{by}}}}}": expression}


def share(part: str, whole: str, by: str = "") -> str:
    """A counter's rate by another's; both with their own labels."""
    group = f" by ({by})" if by else ""
    over, under = (f"sum{group} (rate({metric}[$__rate_interval]))" for metric in (part, whole))
    return f"{over} / {under}"


def gauge(metric: str) -> dict[str, str]:
    """A gauge, for each instance."""
    return {"{{instance}}": f"{metric}{{{INSTANCES}}}"}


PANELS = (
    Panel("Syntheses by status", "reqps",
          rate("indextts_http_requests_total", "code", SPEECH), True),
    Panel("Time to the answer, without streams", "s",
          quantiles("indextts_http_request_seconds", WHOLE)),
    Panel("Refusals", "reqps", rate("indextts_refusals_total", "reason"), True),
    Panel("Streams: time to the first sound", "s",
          quantiles("indextts_first_sound_seconds", percents=(50, 95))),
    Panel("Streams open", "short", gauge("indextts_streams_open"), True),
    Panel("Streams broken, by failures and by clients that left", "reqps",
          rate("indextts_streams_broken_total", "reason"), True),
    Panel("State of the model", "short", {
        "{{instance}} {{state}}": f"indextts_model_state{{{INSTANCES}}} > 0"
    }),
    Panel("Models unloaded while nobody needs them", "short",
          gauge("indextts_idle_unloaded"), True),
    Panel("Unloaded after idling", "short", {
        "{{instance}}": f"increase(indextts_idle_unloads_total{{{INSTANCES}}}[1h])"
    }),
    Panel("Waiting", "short", gauge("indextts_queue_length"), True),
    Panel("Expected wait of a new request", "s", gauge("indextts_expected_wait_seconds")),
    Panel("Running", "short", gauge("indextts_running"), True),
    Panel("Segments in the engine", "short", {
        "{{stage}}": f"sum by (stage) (indextts_segments{{{INSTANCES}}})"
    }, True),
    Panel("Slots", "short", gauge("indextts_slots"), True),
    Panel("Slots in use", "percentunit", {
        "{{instance}}": f'indextts_segments{{stage="decoding",{INSTANCES}}}'
        f" / ignoring (stage) indextts_slots{{{INSTANCES}}}"
    }),
    Panel("Sequences in a step of the GPT", "none", {
        "mean": share(f'indextts_steps_total{{kind="codes",{INSTANCES}}}',
                      f'indextts_steps_total{{kind="gpt",{INSTANCES}}}')
    }),
    Panel("Codes a second", "none",
          rate("indextts_steps_total", "instance", f'kind="codes",{INSTANCES}'), True),
    Panel("Steps a second", "none", rate("indextts_steps_total", "kind")),
    Panel("Padding of the flows", "percentunit", {
        "padding": share(f'indextts_flow_frames_total{{use="padding",{INSTANCES}}}',
                         f"indextts_flow_frames_total{{{INSTANCES}}}")
    }),
    Panel("Time in the queue", "s", quantiles("indextts_queue_seconds")),
    Panel("Inference", "s", quantiles("indextts_inference_seconds")),
    Panel("Fetching and decoding clips", "s", quantiles("indextts_fetch_seconds")),
    Panel("Inference time by audio length (below 1: faster than speech)", "none",
          {f"p{percent} {{{{quality}}}}":
           f"histogram_quantile(0.{percent}, sum by (le, quality) "
           f"(rate(indextts_rtf_bucket{{{INSTANCES}}}[$__rate_interval])))"
           for percent in (50, 95)}),
    Panel("Mean time of the stages", "s", {
        "{{stage}}": share(f"indextts_stage_seconds_sum{{{INSTANCES}}}",
                           f"indextts_stage_seconds_count{{{INSTANCES}}}", "stage")
    }, True),
    Panel("Seconds of audio a second", "none",
          rate("indextts_audio_seconds_total", "instance"), True),
    Panel("Text tokens and codes a second", "none", rate("indextts_tokens_total", "kind")),
    Panel("Voices found in the cache", "percentunit", {
        "found": share(f'indextts_voice_cache_total{{result="hit",{INSTANCES}}}',
                       f"indextts_voice_cache_total{{{INSTANCES}}}")
    }),
    Panel("Memory of cached voices", "bytes", gauge("indextts_voice_cache_bytes"), True),
    Panel("GPU memory of tensors", "bytes", gauge("indextts_device_memory_bytes")),
    Panel("Out of memory", "short", {
        "{{instance}}": f"increase(indextts_out_of_memory_total{{{INSTANCES}}}[1h])"
    }),
    Panel("Instances that fell back to the CPU", "short", gauge("indextts_cpu_fallback")),
)  # fmt: skip


def panel_json(index: int, panel: Panel) -> dict[str, Any]:
    """A panel at its place in the grid."""
    custom = {"fillOpacity": 20, "stacking": {"mode": "normal"}} if panel.stacked else {}
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {
            "x": index % COLUMNS * WIDTH,
            "y": index // COLUMNS * HEIGHT,
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": custom},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend}
            for number, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


def dashboard() -> dict[str, Any]:
    """The whole document."""
    source = {
        "name": "source",
        "type": "datasource",
        "query": "prometheus",
        "label": "Prometheus",
    }
    instance = {
        "name": "instance",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": "label_values(indextts_model_state, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
    return {
        "uid": "indextts",
        "title": "IndexTTS2",
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source, instance]},
        "panels": [panel_json(index, panel) for index, panel in enumerate(PANELS)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=1) + "\n")
