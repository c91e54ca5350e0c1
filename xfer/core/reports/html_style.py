"""Colours and style of the HTML report. Every background is paired with a text colour it contrasts with."""

INK = {"light": "#16191d", "dark": "#f1f3f5"}
PAPER = {"light": "#ffffff", "dark": "#14171a"}
SCORES = {
    "light": ("#f3f8fc", "#e0ecf6", "#cbdff0", "#b3d1e9", "#98c1e0", "#7cafd6", "#609cca"),
    "dark": ("#18232d", "#1a2c3b", "#1c364a", "#1e405a", "#204a6a", "#22557b", "#24608c"),
}
"""From low to high. One hue, in equal steps of lightness, so that it reads without colour vision too."""
GAINS = {
    "light": ("#f5f6f7", "#dcebf7", "#bcd9ef", "#96c3e4", "#6ba9d5"),
    "dark": ("#1f2327", "#1b3040", "#1b3e57", "#1d4d6f", "#205e89"),
}
LOSSES = {
    "light": ("#f5f6f7", "#fcead2", "#f8d3a6", "#f1b876", "#e79c47"),
    "dark": ("#1f2327", "#38291a", "#4e3617", "#674413", "#80520d"),
}
"""Blue against orange, which the common kinds of colour blindness keep apart."""
SCORE_STEPS, GAIN_STEPS = 7, 5
MARKS = {
    "light": ("#0b5c99", "#8f4700", "#4b5a2a", "#7a2d6b", "#50565c", "#006b5e"),
    "dark": ("#86c1ee", "#f0b070", "#c3d48f", "#e0a3d3", "#c3c8cd", "#7fd3c6"),
}
"""Discs of the charts, which carry a number each besides."""
ACCENTS = {
    "light": {"up": "#0b5c99", "down": "#8f4700", "quiet": "#515a63", "edge": "#c9ced3"},
    "dark": {"up": "#86c1ee", "down": "#f0b070", "quiet": "#a9b2ba", "edge": "#3a4148"},
}

_LAYOUT = """
*{box-sizing:border-box}
body{margin:0;font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:1300px;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
nav a{display:inline-block;margin:0 .6rem .3rem 0}a{color:var(--up)}
.note{border-left:4px solid var(--down);padding:.2rem .8rem;margin:.5rem 0}
.scroll{overflow-x:auto;margin:.5rem 0 1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
caption{text-align:left;color:var(--quiet);padding-bottom:.3rem}
th,td{padding:.28rem .55rem;text-align:right;vertical-align:top;white-space:nowrap}
thead th{border-bottom:2px solid var(--edge);font-weight:600;white-space:normal;vertical-align:bottom}
tbody tr+tr>*{border-top:1px solid var(--edge)}
th:first-child,td.text,thead th.text{text-align:left}
th[scope=row]{font-weight:500;position:sticky;left:0;background:var(--paper);white-space:normal;
min-width:8rem;max-width:18rem;overflow-wrap:anywhere}
small{display:block;color:var(--quiet);font-size:.8em}
small.up{color:var(--up)}small.down{color:var(--down)}
.floor>*{color:var(--quiet);font-style:italic}
summary{cursor:pointer}
.quiet{color:var(--quiet);font-size:.85em;margin:.2rem 0}.wrap{white-space:normal;min-width:8rem;max-width:24rem;
overflow-wrap:anywhere}
figure{margin:1rem 0;max-width:700px}svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--quiet)}
svg .in{fill:var(--paper);font-size:9px;font-weight:600}.rule{stroke:var(--edge);stroke-width:.5}
.zero{stroke:var(--quiet);stroke-width:1.2}.curve{fill:none;stroke-width:1.5}
dt{font-weight:600;margin-top:.5rem}dd{margin:0;overflow-wrap:anywhere}li{overflow-wrap:anywhere}
@media(max-width:600px){main{padding:.6rem}th[scope=row]{max-width:10.5rem;min-width:6rem}}
@media print{.scroll{overflow:visible}section{break-inside:avoid}table{font-size:9px}
td,th{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def stylesheet() -> str:
    """The page's style: colours as variables for both schemes, then the layout."""
    classes = [f".s{step}{{background:var(--s{step})}}" for step in range(SCORE_STEPS)]
    classes += [f".{kind}{step}{{background:var(--{kind}{step})}}" for kind in "gl" for step in range(GAIN_STEPS)]
    classes += [
        f"circle.c{at}{{fill:var(--c{at})}}path.c{at}{{stroke:var(--c{at})}}" for at in range(len(MARKS["light"]))
    ]
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables('dark')}}}}}"
    return f":root{{{_variables('light')}}}{dark}{_LAYOUT}{''.join(classes)}"


def _variables(scheme: str) -> str:
    colours = {"ink": INK[scheme], "paper": PAPER[scheme], **ACCENTS[scheme]}
    for letter, scale in (("s", SCORES), ("g", GAINS), ("l", LOSSES), ("c", MARKS)):
        colours.update({f"{letter}{step}": colour for step, colour in enumerate(scale[scheme])})
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
