"""Zones of every layout that is known: specimens that are published, and strategies that make more.

Names and numbers are those of the public specimens, or made up.
"""

from __future__ import annotations

from hypothesis import strategies as st

from protocol.numbers.zone_layouts import LAYOUTS, Layout
from protocol.numbers.zones import check_digit

SPECIMENS = {
    "TD1": [
        (
            "I<UTOD231458907<<<<<<<<<<<<<<<",
            "7408122F1204159UTO<<<<<<<<<<<6",
            "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
        ),
        (
            "IDAUTPA12345673<<<<<<<<<<<<<<<",
            "8112314F3108011AUT<<<<<<<<<<<6",
            "MUSTERFRAU<<MARIA<<<<<<<<<<<<<",
        ),
        (
            "IDD<<T010089212<<<<<<<<<<<<<<<",
            "6408125<2010315D<<<<<<<<<<<<<6",
            "MUSTERMANN<<ERIKA<<<<<<<<<<<<<",
        ),
        (
            "IDFRAX4RTBPFW46<<<<<<<<<<<<<<<",
            "9007138F3002119FRA<<<<<<<<<<<6",
            "MARTIN<<MAELYS<GAELLE<MARIE<<<",
        ),
        # A number of twelve characters (Doc 9303-5, note j), and Belgium's, whose digit counts the filler.
        (
            "I<UTOD23145890<7349<<<<<<<<<<<",
            "3407127M9507122UTO<<<<<<<<<<<2",
            "STEVENSON<<PETER<JOHN<<<<<<<<<",
        ),
        (
            "IDBEL592211692<1741<<<<<<<<<<<",
            "9003107F2509301BEL900310244094",
            "SPECIMEN<<SPECIMEN<<<<<<<<<<<<",
        ),
        (
            "IDCHL1000001750A01<<<<<<<<<<<<",
            "8302216F2302214CHL12749625<0<3",
            "FREDEZ<VIDAL<<MARCELA<CAROLINA",
        ),
    ],
    "crew member certificate": [
        (
            "ACUTOD231458907<<<<<<<<<<<<<<<",
            "7408122F1204159UTO<<<<<<<<<<<6",
            "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
        ),
    ],
    "Portuguese citizen card": [
        (
            "I<PRT000024759<ZZ72<<<<<<<<<<<",
            "8010100F2006017PRT<<<<<<<<<<<8",
            "CARLOS<MONTEIRO<<AMELIA<VANESS",
        ),
        (
            "I<PRT0000414022<ZZ70<<<<<<<<<<",
            "8010100M2012294PRT<<<<<<<<<<<2",
            "MIGUEL<<SOPHIA<<<<<<<<<<<<<<<<",
        ),
    ],
    "Dominican, Guatemalan, Pakistani and Salvadoran identity cards": [
        (
            "IDDOM001023456789<<<<<<<<<<<<<",
            "7408122F1204159DOM<<<<<<<<<<<1",
            "PEREZ<<MARIA<<<<<<<<<<<<<<<<<<",
        ),
    ],
    "Chinese travel permits of three lines": [
        (
            "CRCHNH012345670<<<<<<<<<<<<<<<",
            "CHAN<<TAI<MAN<<<<<<<<<<<<<<<<<",
            "7115<1131<2429<<<<<<<<<<<<<<<<",
        ),
    ],
    "TD1 with another document code": [
        (
            "RPUTOD231458907<<<<<<<<<<<<<<<",
            "7408122F1204159UTO<<<<<<<<<<<6",
            "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
        ),
    ],
    "French identity card of 1988": [
        ("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "9409923102854CORINNE<<<<<<<6512068F4"),
        ("IDFRATEST<NAME<<<<<<<<<<<<<<<<0CHE02", "1710GVA123451ROBERTA<<<<<<<9112311F2"),
        ("IDFRADURANT<<<<<<<<<<<<<<<<<<<952042", "9906933201316CORINNE<<<<<<<6512068F1"),
    ],
    "French registration certificate": [
        ("CRFRAAB123CD0VF1ABCDEF12345678<<<<<<", "RENAULT<<<<<<<<<<<<<<<<<<<<1204159<<"),
    ],
    "MRV-B visa": [("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<")],
    "TD2": [
        ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
        ("I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<", "D23145890<UTO3407127M95071227349<<<8"),
        ("IDROUPOPESCU<<MARIN<<<<<<<<<<<<<<<<<", "SS099993<1ROU4609135M810913814000881"),
    ],
    "TD2 with another document code": [
        ("PUUTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
    ],
    "Slovak identity card of 1993": [
        ("I<SVKNOVAK<<JAN<<<<<<<<<<<<<<<<<<<", "123456<AA5SVK8110251M1801020749313"),
    ],
    "MRV-A visa": [
        ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"),
    ],
    "TD3": [
        ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
        ("P<RUSIMIAREK<<EVGENII<<<<<<<<<<<<<<<<<<<<<<<", "1104000008RUS8209120M2601157<<<<<<<<<<<<<<06"),
        # The internal passport: digits stand for Cyrillic letters, and it has no date of expiry.
        ("PNRUSZDRIL7K<<SERGEQ<ANATOL9EVI3<<<<<<<<<<<<", "3919353498RUS7207233M<<<<<<<4151218910003<50"),
        # Laissez-passer of the United Nations and of the Union.
        ("PLUNOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UNO7408122F1204159ZE184226B<<<<<10"),
        ("PLEUEERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36EUE7408122F1204159ZE184226B<<<<<10"),
        # An emergency travel document (Doc 9303-8).
        ("PUUTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    ],
    "TD3 with another document code": [
        ("ISUTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    ],
    "French driving licence": [("D1FRA13AA000026181231MARTIN<<9",)],
    "Dutch driving licence": [("D1NLD15094962111659VW87Z78NB84",)],
    "driving licence": [
        ("D<ESTET000000<49307039909<<<<6",),
        ("D11000048690088298703300723<<6",),
        ("D<DELAHUNTY<<<IRL<00000D90W000",),
    ],
    "Chinese exit-entry permit": [("CSC314159265<2409065<8012126<6",)],
    "Swiss driving licence": [
        ("AAA001D<<", "FACHE305142128097<<800126<<<<<", "MARCHAND<<FABIENNE<<<<<<<<<<<<"),
    ],
}
"""By the name of the layout; every layout has one."""

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<"

OPENINGS = {
    "Portuguese citizen card": ["I<PRT"],
    "Dominican, Guatemalan, Pakistani and Salvadoran identity cards": ["IDDOM", "I<GTM", "I<PAK", "IDSLV"],
    "Chinese travel permits of three lines": ["C<CHN", "CRCHN"],
    "crew member certificate": ["ACUTO"],
    "TD1": ["I<UTO", "IDFRA", "C<ITA", "A<UTO", "AAUTO"],
    "TD1 with another document code": ["RPEST", "BIMOZ", "PPUTO"],
    "French identity card of 1988": ["IDFRA"],
    "French registration certificate": ["CRFRA"],
    "MRV-B visa": ["V<UTO", "VCDEU"],
    "TD2": ["I<UTO", "IDROU", "IRFRA", "A<UTO", "C<UTO"],
    "TD2 with another document code": ["PUUTO", "TSFRA"],
    "Slovak identity card of 1993": ["I<SVK"],
    "MRV-A visa": ["V<UTO", "VNIND"],
    "TD3": ["P<UTO", "PNRUS", "PUUTO", "PLEUE", "P<UNO"],
    "TD3 with another document code": ["ISUTO", "SBUTO"],
    "French driving licence": ["D1FRA", "B1FRA", "A2FRA"],
    "Dutch driving licence": ["D1NLD", "D<NLD"],
    "driving licence": ["D1EST", "D<EST", "DPHRV", "DNIRL", "D1100"],
    "Chinese exit-entry permit": ["CS"],
    "Swiss driving licence": ["AAA001D<<"],
}


def with_right_digits(zone: tuple[str, ...], layout: Layout) -> tuple[str, ...]:
    """The same with every check digit as it has to be; the one over the whole zone last."""
    lines = [list(line) for line in zone]
    for number in layout.numbers[:1]:
        if number.digit is not None:
            content = "".join(lines[number.span.line][number.span.begin : number.span.end])
            lines[number.span.line][number.digit] = check_digit(content)
    for digit in layout.digits:
        content = "".join("".join(lines[span.line][span.begin : span.end]) for span in digit.over)
        lines[digit.line][digit.column] = check_digit(content)
    return tuple(map("".join, lines))


@st.composite
def zones_of(draw: st.DrawFn, layout: Layout) -> tuple[str, ...]:
    """A zone of this layout, filled with anything, whose check digits are right."""
    opening = draw(st.sampled_from(OPENINGS[layout.name]))
    lines = [draw(st.text(ALPHABET, min_size=size, max_size=size)) for size in layout.lines]
    lines[0] = opening + lines[0][len(opening) :]
    if layout.name == "Swiss driving licence":
        lines[1] = "FACHE" + lines[1][5:]
    return with_right_digits(tuple(lines), layout)


BY_NAME = {layout.name: layout for layout in LAYOUTS}
