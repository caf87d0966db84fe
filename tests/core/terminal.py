"""Reports as the MetaTrader 5 terminal saves them from its History tab, with invented deals."""

from __future__ import annotations

HEAD = [
    "Time", "Deal", "Symbol", "Type", "Direction", "Volume", "Price", "Order", "Commission", "Fee", "Swap", "Profit",
    "Balance", "Comment",
]  # fmt: skip
GERMAN = [
    "Zeit", "Deal", "Symbol", "Typ", "Richtung", "Volumen", "Preis", "Order", "Kommission", "Gebühr", "Swap",
    "Gewinn", "Kontostand", "Kommentar",
]  # fmt: skip

# Server time: New York plus seven hours, so Prague's midnight is 01:00 of it.
DEALS = [
    "2026.01.14 10:00:00|1||balance||||||||100 000.00|100 000.00|Initial balance",
    "2026.01.14 11:00:00|2|BTCUSD|buy|in|0.50|90 000.00|11|-14.63|0.00|0.00|0.00|99 985.37|",
    "2026.01.14 15:30:00|3|BTCUSD|sell|out|0.50|93 000.00|12|-15.11|0.00|0.00|1 500.00|101 470.26|[tp 93000.00]",
    "2026.01.15 00:59:59|4|ETHUSD|sell|in|1.00|3 000.00|13|-9.75|0.00|0.00|0.00|101 460.51|",
    "2026.01.15 02:10:00|5|ETHUSD|buy|out|1.00|3 100.00|14|-10.08|-0.50|- 3.20|- 1 000.00|100 446.73|[sl 3100.00]",
    "2026.01.16 12:00:00|6||balance||||||||-446.73|100 000.00|Withdrawal",
    "2026.01.16 13:00:00|7|BTCUSD|buy|in|0.10|91 000.00|15|-2.96|0.00|0.00|0.00|99 997.04|",
]
TOTALS = "||||||||-52.53|-0.50|- 3.20|1 053.27|99 997.04|"
OPENED = "2026.01.16 13:00:00|15|BTCUSD|buy|0.10|91 000.00|||91 100.00|0.00|10.00|"


def cells(row: str) -> list[str]:
    return row.split("|")


def html(deals: list[str] = DEALS, head: list[str] = HEAD) -> str:
    """The report as HTML: positions, orders and deals in one table, cells that are not shown among them."""

    def title(words: str) -> str:
        return (
            f'<tr align="center">\n<th colspan="14" style="height: 25px">'
            f'<div style="font: 10pt Tahoma"><b>{words}</b></div></th>\n</tr>'
        )

    def line(row: list[str], *, hidden: int | None = None) -> str:
        shown = [f"<td>{cell}</td>" for cell in row]
        if hidden is not None:
            shown.insert(hidden, '<td class="hidden" colspan="8">GridBot &amp; friends</td>')
        return '<tr bgcolor="#FFFFFF" align="right">\n' + "".join(shown) + "\n</tr>"

    heads = "".join(f"<td nowrap><b>{word}</b></td>" for word in head)
    position = "2026.01.14 11:00:00|11|BTCUSD|buy|0.50|90 000.00|||2026.01.14 15:30:00|93 000.00|-29.74|0.00|1 500.00"
    order = "2026.01.14 11:00:00|11|BTCUSD|buy|0.50 / 0.50|market|||2026.01.14 11:00:00|filled||"
    rows = [
        title("Trade History Report"),
        "<tr><th>Account:</th><th><b>510001 (USD, FTMO-Demo, demo, Hedge)</b></th></tr>",
        title("Positions"),
        line(
            [
                "Time",
                "Position",
                "Symbol",
                "Type",
                "Volume",
                "Price",
                "S / L",
                "T / P",
                "Time",
                "Price",
                "Profit",
            ]
        ),
        line(cells(position), hidden=4),
        title("Orders"),
        line(
            ["Open Time", "Order", "Symbol", "Type", "Volume", "Price", "S / L", "T / P", "Time", "State", ""]
        ),
        line(cells(order)),
        title("Deals"),
        f'<tr align="center" bgcolor="#E5F0FC">{heads}</tr>',
        *(line(cells(row), hidden=8) for row in deals),
        line(cells(TOTALS)),
        '<tr><td colspan="14" style="height: 10px"></td></tr>',
        title("Open Positions"),
        line(cells(OPENED)),
        line(["Balance:", "99 997.04", "Free Margin:", "1.00"]),
        title("Results"),
    ]
    head_of_page = (
        "<!DOCTYPE html PUBLIC>\n<html>\n<head><title>510001: A. Trader - Trade History Report</title>\n"
        "<style>td.hidden { display: none }</style></head>\n<body>\n<table>\n"
    )
    return head_of_page + "\n".join(rows) + "\n</table></body></html>"


def csv(deals: list[str] = DEALS, head: list[str] = HEAD, *, separator: str = ",") -> str:
    """The same report after a spreadsheet has saved it as CSV."""

    def line(row: list[str]) -> str:
        return separator.join(f'"{cell}"' if separator in cell else cell for cell in row)

    end = [f"Results{separator * 13}", line(["Total Net Profit:", "1 053.27"])]
    rows = [
        f"Trade History Report{separator * 13}",
        f"Positions{separator * 13}",
        line(
            [
                "Time",
                "Position",
                "Symbol",
                "Type",
                "Volume",
                "Price",
                "S / L",
                "T / P",
                "Time",
                "Price",
                "Profit",
            ]
        ),
        line(
            ["2026.01.14 11:00:00", "11", "BTCUSD", "buy", "0.50", "90 000.00", "", "", "2026.01.14 15:30:00"]
        ),
        f"Deals{separator * 13}",
        line(head),
        *(line(cells(row)) for row in deals),
        line(cells(TOTALS)),
        *end,
    ]
    return "\r\n".join(rows) + "\r\n"


def german(row: str) -> str:
    """A row with the decimal comma, thousands apart by a point."""
    kept, parts = [], cells(row)
    for number, cell in enumerate(parts):
        is_number = number in (5, 6, *range(8, 13))
        kept.append(cell.replace(" ", "").replace(".", ",") if is_number else cell)
    return "|".join(kept)
