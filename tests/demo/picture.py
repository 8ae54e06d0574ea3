# SPDX-License-Identifier: Apache-2.0
"""Changes by minute and wiki as a picture: bars of characters for a terminal, and an SVG for a browser.

Both take what the view wikipedia_edits_per_minute says, [(minute in seconds since 1970, wiki, changes)]. The SVG
stands for itself, is dark where the reader's browser is, and holds no names of people.
"""
import collections
import html
import time

WIKIS_SHOWN = 6
OTHERS = 'all others'
EIGHTHS = ' ▏▎▍▌▋▊▉█'
# Told apart by people who see colours differently (Okabe and Ito), on white and on black.
COLOURS = ('#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8c8c8c')


class Picture:
    """The minutes from the first to the last, and in each the changes of the wikis that have most."""

    def __init__(self, rows, minutes=20):
        last = max(minute for minute, _, _ in rows)
        rows = [row for row in rows if row[0] > last - 60 * minutes]
        first = min(minute for minute, _, _ in rows)
        totals = collections.Counter()
        for _, wiki, changes in rows:
            totals[wiki] += changes
        self.wikis = [wiki for wiki, _ in sorted(totals.items(), key=lambda t: (-t[1], t[0]))[:WIKIS_SHOWN]]
        self.others = len(totals) > len(self.wikis)
        self.minutes = list(range(first, last + 60, 60))
        self.cells = collections.Counter()
        for minute, wiki, changes in rows:
            self.cells[minute, wiki if wiki in self.wikis else OTHERS] += changes
        self.names = self.wikis + [OTHERS] * self.others
        self.total = sum(totals.values())
        self.wiki_count = len(totals)

    def minute_total(self, minute):
        return sum(self.cells[minute, name] for name in self.names)

    def name_total(self, name):
        return sum(self.cells[minute, name] for minute in self.minutes)

    # ---- the terminal ----

    def text(self, width=44):
        """A line for each minute, as long as it has changes; then each wiki's line through the minutes."""
        most = max(map(self.minute_total, self.minutes))
        for minute in self.minutes:
            total = self.minute_total(minute)
            length = total * width * 8 // most
            bar = '█' * (length // 8) + EIGHTHS[length % 8].strip()
            yield f'  {clock(minute)} {bar:<{width}} {total:>7,}'
        yield ''
        for name in self.names:
            counts = [self.cells[minute, name] for minute in self.minutes]
            yield f'  {name[:18]:<18} {spark(counts)} {sum(counts):>7,}'

    # ---- the SVG ----

    def svg(self, origin, width=880, height=330):
        left, top, bottom, legend = 52, 58, 40, 190
        inner, tall = width - left - legend, height - top - bottom
        most = round_up(max(map(self.minute_total, self.minutes)))
        step = inner / len(self.minutes)
        out = [HEAD.format(width=width, height=height, text=html.escape(self.title()))]
        out += [f'<text class="title" x="{left}" y="26">{html.escape(self.title())}</text>',
                f'<text x="{left}" y="44">{html.escape(origin)}; UTC</text>']
        for i in range(5):
            y = top + tall - tall * i / 4
            out += [f'<path class="grid" d="M{left} {y:.1f}h{inner:.1f}"/>',
                    f'<text class="right" x="{left - 8}" y="{y + 4:.1f}">{most * i // 4:,}</text>']
        every = -(-len(self.minutes) // 8)
        for n, minute in enumerate(self.minutes):
            x, y = left + n * step, top + tall
            for at, name in enumerate(self.names):
                part = tall * self.cells[minute, name] / most
                y -= part
                if part >= 0.05:
                    out.append(f'<rect class="c{self.colour(at, name)}" x="{x + step * .1:.1f}" y="{y:.1f}" '
                               f'width="{step * .8:.1f}" height="{part:.1f}"/>')
            if n % every == 0:
                out.append(f'<text class="middle" x="{x + step / 2:.1f}" y="{top + tall + 18}">{clock(minute)}</text>')
        for row, (at, name) in enumerate(reversed(list(enumerate(self.names)))):
            y = top + 10 + row * 26
            out += [f'<rect class="c{self.colour(at, name)}" x="{width - legend + 24}" y="{y}" width="12" '
                    'height="12"/>',
                    f'<text x="{width - legend + 44}" y="{y + 10}">{html.escape(name[:16])}</text>',
                    f'<text class="right" x="{width - 8}" y="{y + 10}">{self.name_total(name):,}</text>']
        return '\n'.join([*out, '</svg>', ''])

    @staticmethod
    def colour(at, name):
        return len(COLOURS) - 1 if name == OTHERS else at

    def title(self):
        return f'{self.total:,} changes in {self.wiki_count} wikis, by minute'


HEAD = '''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{text}">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #57606a }}
.title {{ font-size: 17px; font-weight: 600; fill: #1f2328 }}
.right {{ text-anchor: end }} .middle {{ text-anchor: middle }}
.grid {{ stroke: #8c959f; stroke-opacity: .35 }}
''' + ''.join(f'.c{n} {{{{ fill: {colour} }}}} ' for n, colour in enumerate(COLOURS)) + '''
@media (prefers-color-scheme: dark) {{ text {{ fill: #9198a1 }} .title {{ fill: #f0f6fc }} }}
</style>'''


def clock(minute):
    return time.strftime('%H:%M', time.gmtime(minute))


def spark(counts):
    """A character for each, as high as its share of the largest one."""
    most = max(max(counts), 1)
    return ''.join('▁▂▃▄▅▆▇█'[min(7, count * 8 // most)] if count else ' ' for count in counts)


def round_up(number):
    """To what an axis of four parts can say: 1, 2, 4 or 8 times a power of ten, or between."""
    size = 4
    while True:
        for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8):
            if size * factor >= number and size * factor == int(size * factor):
                return int(size * factor)
        size *= 10
