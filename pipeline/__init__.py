"""From archives of recordings to a registered emotion detector, one file per stage."""
