"""HOW RESULTS LOOK ON PAPER: what Markdown and HTML of reports, comparisons and gates have in common. No figure is computed here.

Doors: `markup` (texts of users within Markdown), `sheet` (a whole page that needs nothing, and its pieces), `style` (colours and rules, light and dark), `drawings`
(SVG: whiskers, heat maps, curves, bars).

Who may enter: results and everything above it. What it may import: `domain`, and the values that are drawn (`confusion`, `curve`).
"""
