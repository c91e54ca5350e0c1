"""The languages of XTREME: names and codes that its data sets go by, script and family."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A language: ISO 639-1 `code`, English `name`, the ISO 639-3 code of Tatoeba, script and family."""

    code: str
    name: str
    iso3: str
    script: str
    family: str

    @property
    def treebank(self) -> str:
        """Its name in Universal Dependencies (the part before the hyphen of a treebank's name)."""
        return self.name


_TABLE = """
af Afrikaans  afr Latin      Indo-European
ar Arabic     ara Arabic     Afro-Asiatic
bg Bulgarian  bul Cyrillic   Indo-European
bn Bengali    ben Bengali    Indo-European
de German     deu Latin      Indo-European
el Greek      ell Greek      Indo-European
en English    eng Latin      Indo-European
es Spanish    spa Latin      Indo-European
et Estonian   est Latin      Uralic
eu Basque     eus Latin      isolate
fa Persian    pes Arabic     Indo-European
fi Finnish    fin Latin      Uralic
fr French     fra Latin      Indo-European
he Hebrew     heb Hebrew     Afro-Asiatic
hi Hindi      hin Devanagari Indo-European
hu Hungarian  hun Latin      Uralic
id Indonesian ind Latin      Austronesian
it Italian    ita Latin      Indo-European
ja Japanese   jpn Japanese   Japonic
jv Javanese   jav Latin      Austronesian
ka Georgian   kat Georgian   Kartvelian
kk Kazakh     kaz Cyrillic   Turkic
ko Korean     kor Hangul     Koreanic
ml Malayalam  mal Malayalam  Dravidian
mr Marathi    mar Devanagari Indo-European
ms Malay      zsm Latin      Austronesian
my Burmese    mya Burmese    Sino-Tibetan
nl Dutch      nld Latin      Indo-European
pt Portuguese por Latin      Indo-European
ru Russian    rus Cyrillic   Indo-European
sw Swahili    swh Latin      Niger-Congo
ta Tamil      tam Tamil      Dravidian
te Telugu     tel Telugu     Dravidian
th Thai       tha Thai       Kra-Dai
tl Tagalog    tgl Latin      Austronesian
tr Turkish    tur Latin      Turkic
ur Urdu       urd Arabic     Indo-European
vi Vietnamese vie Latin      Austro-Asiatic
yo Yoruba     yor Latin      Niger-Congo
zh Chinese    cmn Han        Sino-Tibetan
"""

LANGUAGES = {fields[0]: Language(*fields) for fields in map(str.split, _TABLE.strip().splitlines())}
"""The 40 languages of XTREME (Hu et al., 2020), by code."""
