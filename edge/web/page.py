"""The status page as HTML text. Every word that comes from outside passes :func:`html.escape`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from string import Template

from edge.web.flow import flow_svg
from edge.web.view import View
from edge.wording import MISSING, age_words, cents_words, percent_words

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>$title</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<script src="/static/refresh.js" defer></script>
</head>
<body>
<p id="lost" class="banner" role="alert" hidden>The box does not answer this page. The numbers below are not live.</p>
<main id="status">
$fragment
</main>
</body>
</html>
""")

_GONE = Template("""<p class="banner" role="alert"><strong>Control does not answer.</strong> $reason</p>
<p class="quiet">$last The inverter goes back to its own rules by itself when control is away.
This page looks again every two seconds.</p>""")

_LIVE = Template("""<header>
<h1>$site</h1>
<p class="quiet"><time>$clock</time>$speed, measured $age ago</p>
</header>
$warnings
<section class="top">
<div class="card">$flow</div>
<div class="card words">
<h2>Now</h2>
<p class="action">$action</p>
<p>$reason</p>
$notes
<h2>Next</h2>
<p>$next</p>
<dl>
<div><dt>Charge</dt><dd>$charge</dd></div>
<div><dt>Stored energy is worth</dt><dd>$water</dd></div>
<div><dt>Expected cost, 48 h</dt><dd>$cost</dd></div>
</dl>
</div>
</section>
<section class="card">
<h2>Plan</h2>
<p>$plan_line</p>
$violations
$picture
</section>
<section class="card">
<h2>Signals</h2>
$signals
</section>""")


def page(title: str, fragment: str) -> str:
    """The whole document around a fragment."""
    return _PAGE.substitute(title=escape(title), fragment=fragment)


def gone(reason: str, last: str) -> str:
    """What is shown while control does not answer: no numbers at all."""
    return _GONE.substitute(reason=escape(reason), last=escape(last))


def fragment(view: View) -> str:
    """The part of the page that is renewed every two seconds."""
    plan = view.plan
    return _LIVE.substitute(
        site=escape(view.site_name),
        clock=escape(view.clock),
        speed="" if view.speed == 1.0 else f" (simulated, {view.speed:g} times faster)",
        age=age_words(view.age_s),
        warnings=_list(view.warnings, "warnings"),
        flow=flow_svg(view.live),
        action=escape(view.action),
        reason=escape(view.reason),
        notes=_list(view.notes, "notes"),
        next=escape(view.next_action),
        charge=percent_words(view.live.soc_frac),
        water=cents_words(plan.water_value_eur_per_kwh if view.in_force and plan else math.nan),
        cost=f"{plan.cost_eur:.2f} €" if view.in_force and plan and math.isfinite(plan.cost_eur) else MISSING,
        plan_line=escape(view.plan_line),
        violations=_list(plan.violations if plan else (), "warnings"),
        picture=_picture(view),
        signals=_table(view.signals),
    )


def _list(items: Iterable[str], kind: str) -> str:
    rows = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""


def _picture(view: View) -> str:
    """The plan's picture in the layout for the screen; its address changes with plan and minute."""
    if view.plan is None:
        return ""
    version = f"{view.plan.issued_s:.0f}-{view.now_s // 60:.0f}"
    return (
        f'<picture><source media="(max-width: 700px)" srcset="/plan-narrow.svg?v={version}">'
        f'<img class="plan" src="/plan.svg?v={version}" alt="Price, PV, house, battery and charge"></picture>'
    )


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    heads = "".join(f"<th>{name}</th>" for name in ("Device", "Signal", "Value", "Unit", "Age", "State"))
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
