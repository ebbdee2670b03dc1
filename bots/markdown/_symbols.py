"""Signs of TeX's mathematics, by the names of their commands."""


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


LETTERS = _pairs("""
    alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ vartheta ϑ iota ι
    kappa κ lambda λ mu μ nu ν xi ξ omicron ο pi π varpi ϖ rho ρ varrho ϱ sigma σ varsigma ς tau τ
    upsilon υ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ
    Upsilon Υ Phi Φ Psi Ψ Omega Ω aleph ℵ beth ℶ hbar ℏ ell ℓ Re ℜ Im ℑ wp ℘ imath ı jmath ȷ
    partial ∂ nabla ∇ forall ∀ exists ∃ nexists ∄ neg ¬ lnot ¬ angle ∠ triangle △ square □
    diamond ⋄ complement ∁
""")
"""Letters, and signs that stand close to what follows them."""

SIGNS = _pairs("""
    infty ∞ emptyset ∅ varnothing ∅ prime ′ degree ° circ ∘ int ∫ iint ∬ iiint ∭ oint ∮ sum ∑ prod ∏
    coprod ∐ bigcup ⋃ bigcap ⋂ bigoplus ⨁ bigotimes ⨂ bigvee ⋁ bigwedge ⋀ ldots … dots … cdots ⋯
    dotsc … dotsb ⋯ vdots ⋮ ddots ⋱ langle ⟨ rangle ⟩ lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ lbrace {
    rbrace } lbrack [ rbrack ] vert | Vert ‖ lvert | rvert | lVert ‖ rVert ‖ backslash \\ top ⊤
    bot ⊥ dagger † ddagger ‡ star ⋆ ast ∗ bullet • checkmark ✓ clubsuit ♣ diamondsuit ♢ heartsuit ♡
    spadesuit ♠ sharp ♯ flat ♭ natural ♮ pounds £ euro € S § P ¶ copyright © blacksquare ■ qed ∎
    colon : Box □ surd √
""")
"""Signs that stand as they are."""

OPERATORS = _pairs("""
    cdot · times × div ÷ pm ± mp ∓ oplus ⊕ ominus ⊖ otimes ⊗ odot ⊙ cup ∪ cap ∩ sqcup ⊔ sqcap ⊓
    setminus ∖ wedge ∧ land ∧ vee ∨ lor ∨ le ≤ leq ≤ leqslant ≤ ge ≥ geq ≥ geqslant ≥ ne ≠ neq ≠
    ll ≪ gg ≫ approx ≈ sim ∼ simeq ≃ cong ≅ equiv ≡ propto ∝ doteq ≐ coloneqq ≔ prec ≺ succ ≻
    preceq ⪯ succeq ⪰ in ∈ notin ∉ ni ∋ subset ⊂ subseteq ⊆ subsetneq ⊊ supset ⊃ supseteq ⊇
    nsubseteq ⊈ parallel ∥ nparallel ∦ perp ⊥ mid ∣ nmid ∤ models ⊨ vdash ⊢ vDash ⊨ asymp ≍
    to → rightarrow → longrightarrow ⟶ leftarrow ← gets ← longleftarrow ⟵ leftrightarrow ↔
    longleftrightarrow ⟷ Rightarrow ⇒ Longrightarrow ⟹ implies ⟹ Leftarrow ⇐ impliedby ⟸
    Leftrightarrow ⇔ iff ⟺ Longleftrightarrow ⟺ mapsto ↦ longmapsto ⟼ hookrightarrow ↪
    uparrow ↑ downarrow ↓ updownarrow ↕ Uparrow ⇑ Downarrow ⇓ nearrow ↗ searrow ↘ swarrow ↙
    nwarrow ↖ rightharpoonup ⇀ rightleftharpoons ⇌ leadsto ⇝ therefore ∴ because ∵ lt < gt >
    bmod mod triangleq ≜ lesssim ≲ gtrsim ≳ wr ≀ amalg ⨿ bowtie ⋈ ltimes ⋉ rtimes ⋊ smile ⌣
""")
"""Signs with a space on either side."""

WORDS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "coth",
        "log",
        "ln",
        "lg",
        "exp",
        "lim",
        "limsup",
        "liminf",
        "max",
        "min",
        "sup",
        "inf",
        "arg",
        "argmax",
        "argmin",
        "det",
        "dim",
        "ker",
        "hom",
        "deg",
        "gcd",
        "lcm",
        "Pr",
        "mod",
        "sgn",
        "tr",
        "rank",
    ]
)
"""The names of functions, which stand as words."""

ACCENTS = _pairs(
    "hat \u0302 widehat \u0302 bar \u0304 overline \u0305 vec \u20d7 tilde \u0303 widetilde \u0303"
    " dot \u0307 ddot \u0308 check \u030c breve \u0306 acute \u0301 grave \u0300"
)
"""Accents, which follow their letter as combining signs."""

SPACES = dict.fromkeys(
    (",", ";", ":", " ", ">", "quad", "qquad", "enspace", "\n"), " "
) | dict.fromkeys(
    [
        "!",
        "limits",
        "nolimits",
        "displaystyle",
        "textstyle",
        "scriptstyle",
        "big",
        "Big",
        "bigg",
        "Bigg",
        "bigl",
        "bigr",
        "Bigl",
        "Bigr",
        "biggl",
        "biggr",
        "Biggl",
        "Biggr",
        "left",
        "right",
        "middle",
        "bigm",
        "nonumber",
        "notag",
        "rm",
        "bf",
        "it",
    ],
    "",
)
"""Spaces, and commands that only tell how large something is."""

_SUPER = (
    "0⁰1¹2²3³4⁴5⁵6⁶7⁷8⁸9⁹+⁺-⁻=⁼(⁽)⁾aᵃbᵇcᶜdᵈeᵉfᶠgᵍhʰiⁱjʲkᵏlˡmᵐnⁿoᵒpᵖrʳsˢtᵗuᵘvᵛwʷxˣyʸzᶻ"
    "AᴬBᴮDᴰEᴱGᴳHᴴIᴵJᴶKᴷLᴸMᴹNᴺOᴼPᴾRᴿTᵀUᵁVⱽWᵂβᵝγᵞδᵟθᶿφᵠχᵡ∘°′′††−⁻"
)
_SUB = "0₀1₁2₂3₃4₄5₅6₆7₇8₈9₉+₊-₋=₌(₍)₎aₐeₑhₕiᵢjⱼkₖlₗmₘnₙoₒpₚrᵣsₛtₜuᵤvᵥxₓβᵦγᵧρᵨφᵩχᵪ−₋"
SCRIPTS = {
    "^": dict(zip(_SUPER[::2], _SUPER[1::2], strict=True)),
    "_": dict(zip(_SUB[::2], _SUB[1::2], strict=True)),
}
"""The characters that have a raised, or a lowered, form of their own."""


def _alphabet(capital: int, small: int, exceptions: str) -> dict[str, str]:
    letters = {chr(65 + at): chr(capital + at) for at in range(26)}
    letters |= {chr(97 + at): chr(small + at) for at in range(26)} if small else {}
    return letters | dict(zip(exceptions[::2], exceptions[1::2], strict=True))


ALPHABETS = {
    "mathbb": _alphabet(0x1D538, 0x1D552, "CℂHℍNℕPℙQℚRℝZℤ") | {"1": "𝟙"},
    "mathcal": _alphabet(0x1D49C, 0, "BℬEℰFℱHℋIℐLℒMℳRℛ"),
    "mathscr": _alphabet(0x1D49C, 0, "BℬEℰFℱHℋIℐLℒMℳRℛ"),
    "mathfrak": _alphabet(0x1D504, 0x1D51E, "CℭHℌIℑRℜZℨ"),
}
"""Letters of other alphabets, by the command that chooses one."""
