"""Bar charts as SVG, without a library: one bar for each way, as long as its median, with a line from least to most."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

from tests.bench.goals import Spread, spread
from tests.bench.results import Group

WIDTH, LABELS, VALUES = 760, 270, 70
BAR, GAP, HEAD, MARGIN = 18, 8, 34, 10
OURS, OTHERS = "#1a73e8", "#9aa0a6"


def plot(group: Group, title: str, titles: Mapping[str, str]) -> str:
    """Seconds: shorter is faster. It is readable on light and dark pages."""
    bars = {way: found for way, taken in group.samples.items() if (found := spread(sample.seconds for sample in taken))}
    longest = max((bar.high for bar in bars.values()), default=1.0)
    scale = (WIDTH - LABELS - VALUES - MARGIN) / longest
    height = HEAD + len(bars) * (BAR + GAP) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="13" role="img" aria-label="{escape(title)}">',
        "<style>text{fill:#3c4043}@media(prefers-color-scheme:dark){text{fill:#e8eaed}}</style>",
        f'<text x="{MARGIN}" y="20" font-weight="bold">{escape(title)}: seconds</text>',
    ]
    for position, (way, bar) in enumerate(bars.items()):
        lines += _bar(
            HEAD + position * (BAR + GAP), titles[way], bar, scale, OURS if way.startswith("ours") else OTHERS
        )
    return "\n".join([*lines, "</svg>", ""])


def _bar(top: int, label: str, bar: Spread, scale: float, colour: str) -> list[str]:
    middle, baseline = top + BAR / 2, top + BAR - 5
    start, end = LABELS + bar.low * scale, LABELS + bar.high * scale
    return [
        f'<text x="{LABELS - 8}" y="{baseline}" text-anchor="end">{escape(label)}</text>',
        f'<rect x="{LABELS}" y="{top}" width="{bar.median * scale:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<line x1="{start:.1f}" y1="{middle}" x2="{end:.1f}" y2="{middle}" stroke="#202124" stroke-width="2"/>',
        f'<text x="{end + 8:.1f}" y="{baseline}">{bar.median:.2f}</text>',
    ]
