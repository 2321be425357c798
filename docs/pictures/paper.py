# ruff: noqa: INP001 - a part of draw.py, no part of a package
"""What all pictures share: colours, for light and dark readers, heads of arrows, and the sheet itself."""

STYLE = """
  text { font: 12.5px "DejaVu Sans", Verdana, "Segoe UI", sans-serif; }
  .page { fill: #ffffff; } .lane { fill: #f3f5f8; } .box { fill: #ffffff; stroke: #5b6b82; }
  .title { fill: #14213a; } .line, .name, .label { fill: #46546a; } .title, .name { font-weight: 600; }
  .label { font-size: 12px; paint-order: stroke; stroke: #f3f5f8; stroke-width: 4px; }
  .arrow { stroke: #2f6fde; stroke-width: 1.6; } .arrow-head { fill: #2f6fde; }
  .dashed { stroke: #c2410c; stroke-width: 1.6; stroke-dasharray: 5 4; } .dashed-head { fill: #c2410c; }
  .axis { stroke: #9aa6b8; } .tick { fill: #46546a; font-size: 11.5px; }
  .window { fill: #e3edfd; stroke: #2f6fde; } .done { fill: #dff3e6; stroke: #1a7f4b; }
  .open { fill: #ffffff; stroke: #5b6b82; } .wait { fill: #fdeee0; stroke: #c2410c; stroke-dasharray: 5 4; }
  .entry { fill: #2f6fde; } .late { fill: #c2410c; } .mark { fill: #14213a; }
  .event { stroke: #14213a; stroke-dasharray: 2 4; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0f1620; } .lane { fill: #18212e; } .box { fill: #223044; stroke: #8494ab; }
    .title { fill: #eef3fb; } .line, .name, .label { fill: #b9c5d6; } .label { stroke: #18212e; }
    .axis { stroke: #5d6b80; } .tick { fill: #b9c5d6; }
    .window { fill: #1d3355; stroke: #78a9ff; } .done { fill: #173a29; stroke: #5bc98c; }
    .open { fill: #223044; stroke: #8494ab; } .wait { fill: #40291a; stroke: #ff9a62; }
    .entry { fill: #78a9ff; } .late { fill: #ff9a62; } .mark { fill: #eef3fb; } .event { stroke: #eef3fb; }
    .arrow { stroke: #78a9ff; } .arrow-head { fill: #78a9ff; }
    .dashed { stroke: #ff9a62; } .dashed-head { fill: #ff9a62; }
  }
"""
HEADS = "".join(
    f'<marker id="{kind}" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" refX="9" refY="5" '
    f'orient="auto"><path class="{kind}-head" d="M0 0 L10 5 L0 10 z"/></marker>'
    for kind in ("arrow", "dashed")
)


def sheet(width: float, height: float, *parts: str) -> str:
    """Return a picture of this size."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img">\n<style>{STYLE}</style>\n<defs>{HEADS}</defs>\n'
        f'<rect class="page" width="{width:g}" height="{height:g}" rx="12"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
