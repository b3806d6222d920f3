"""The corpora: where each comes from, its licence, and how its file names are read."""

from pipeline.corpora import cremad, ravdess, savee, tess
from pipeline.corpora.corpus import Archive, Corpus, Dataverse, Files, Registration, Sex, Utterance

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus for corpus in (ravdess.CORPUS, savee.CORPUS, tess.CORPUS, cremad.CORPUS)
}

__all__ = ["CORPORA", "Archive", "Corpus", "Dataverse", "Files", "Registration", "Sex", "Utterance"]
