# ruff: noqa: RUF001 - letters of other alphabets are meant
"""Pieces of text that every tokenizer knows as one token.

Measured with the vocabularies of five families, of 32,000 to 200,000 tokens each, all of which read
unknown text byte by byte. A text costs one token for each byte, but for what is listed here.
"""

_RARE = (
    "aq bh bj bk bq bv bw bx bz cg cj cw dg dj dq eo fh fj fk fq fv fz gc gf gj gk gm gq gv gw gx"
    " hb hc hf hg hj hk hq hv hx hz jb jc jf jg jh jl jm jn jp jq jr jt jv jw jx jy jz kd kf kj kp"
    " kq kx kz lf lh lk lq lw lx lz mf mh mj mw mz nj nk nq nv nw nz oq pj pq pv pw pz qb qc qd qe"
    " qf qg qh qi qj qk qm qn qo qr qv qw qx qy qz rj rk rq sj sx tg tj tq uq vb vf vg vh vj vk vn"
    " vq vu vw vx vz wf wg wj wk wq wu wv wz xg xh xj xk xm xn xo xp xq xr xu xv xw xz yb yf yh yi"
    " yj yq yu yv yw yx yy yz zc zf zg zj zl zp zq zr zv zx"
)
RARE = frozenset(_RARE.split())
"""The pairs of letters from a to z that are no token; each of the other pairs is one."""

_WORDS = (
    "a aan aber about after against al all alla als also am an anche and another answer any ao"
    " are as ask at au auch auf aus aux avec back be because been before bei being between bis"
    " both but by call came can ce che code com come comme como con contra could cuando da dans"
    " das dass dat day de del della dem den der des desde di did die do does donde dos down du"
    " durante durch e each een ein eine einem einen einer el ele elle em en entre er es est esta"
    " este et even example feel find first foi following for from für get give gli go good great"
    " haben had has hasta hat have hay he help her here het him how i ich if il im in into is ist"
    " it its just know la las last le leave les life like little lo long los made mais make man"
    " many mas may me mehr men met might mit more most much must muy my más na nach name ne need"
    " nel never new ni nicht niet no noch non nos not nous now number nur não o oder of off old om"
    " on one only op or os other otros ou our out over own par para pas people per pero più please"
    " plus por porque pour que question qui quien right said same se see sein ser seu she should"
    " si sich sie sin since sind so sobre some son sont state still su sua such sur sus take"
    " también te tell tem text than thank that the their them then there these they think this"
    " those three through time to todo too try two um uma un una und under une uno up us use used"
    " using van very von voor vor vous want war was way we well wenn werden were what when where"
    " which while who wie will wird with work world would write wurde y ya year years yes you your"
    " zijn zu zum zur à è été über"
)
WORDS = frozenset(f" {word}" for word in _WORDS.split())
"""Frequent words that are one token with the space before them."""

SCRIPTS = (
    # Latin
    "À-ÄÇÉÍÎÓÖÜß-öø-ýāăąćčĐđēęěğīİıłńōőœřśşšťūůűźżž",
    # Greek
    "ά-ία-εη-νο-χωό",
    # Cyrillic
    "А-ЕЗИК-ФЦЧЭЯ-яё",
    # Hebrew
    "אבד-וחילמנער-ת",
    # Arabic
    "أإا-غف-ي",
    # Devanagari
    "\u0902\u0915\u0924\u0928\u092a\u092e\u0930\u0932\u0938\u0939\u093e-\u0941\u0947\u094b\u094d",
    # Thai
    "\u0e19\u0e23\u0e2d\u0e32\u0e40\u0e41\u0e43\u0e44\u0e47-\u0e49\u0e4c",
    # punctuation
    "\u2010\u2011\u2013-\u2015\u2018\u2019\u201c-\u201e\u2020\u2022\u2026\u2032\u2033\u203b",
    # Chinese and Japanese
    "\u3000-\u3002\u300a-\u3011\u301cあいうえお-きくけこ-さし-すせそた-ちっつて-にの-ばまみめもや"
    "よ-ろわをんア-イウ-エオカキクグコサシ-セタ-チッテ-ニバパビ-プペポマムメャュョラ-ロン・ー一万"
    "三-下不与专业东两个中为主么义之也书了事二于五些交产享京人今介从他付代以们件价任份企会传但位体"
    "何余作你使例供保信修元先入全公共关其具内册再写出击分列则初利别到制力功-务动包化北区十午华单南"
    "即参及友反发取变口只可台右号司合同-后向否含听启和商問四回因国图土在地场处备复外多大天失头如子"
    "字存学安完定实客家容密对导将小少尔就局展山州工左已平年并广序库应店度开式引张当录形影径待後得"
    "微态思性总成我或户所手打技投报排接推提支收改放政效数整文料断新方族无日时明易星是時更最月有服"
    "期木未本机权束条来板构果查标样格模止-步法注流海清游点片版物特生用由电男画界登的目直相知码示社"
    "私种科秒称移第米类系组经结给统编能自至英行表西见规视角解计认议记论设证评试话该语误说请读身辑"
    "输达过运近还这进连述退送选通速造連都配释里重量金闭问间陆限院除音页项高黑\uff01\uff08\uff09"
    "\uff0c-\uff0e\uff1a\uff1b\uff1f\uff5e",
    # Hangul
    "가간개거게결경고공과구그글기나내니다당대도동되된드든들디라로록리만메면명목문버번보복부분비사"
    "상생서성세소수스습시식신아야어에여열오와요용우운원위으은을음의이인일임입자작장재적전정제져조"
    "주지진째체출치크태하한할함해호화환회",
)
"""Letters and signs that are one token each, by script; ranges as in a regular expression."""

GROWING = (
    "\u0300-\u036f\u0958-\u095f\u09dc\u09dd\u09df\u0a33\u0a36\u0a59-\u0a5b\u0a5e\u0b5c\u0b5d\u0f43\u0f4d"
    "\u0f52\u0f57\u0f5c\u0f69\u0f73\u0f75\u0f76\u0f78\u0f81\u0f93\u0f9d\u0fa2\u0fa7\u0fac\u0fb9"
    "\u2adc\ufa6c\ufacf-\ufad1\ufad5-\ufad7\ufb1d\ufb1f\ufb2a-\ufb4e\U0001d15e-\U0001d164"
    "\U0001d1bb-\U0001d1c0"
)
"""Letters that a tokenizer may first take apart, and accents: up to three times their bytes."""
