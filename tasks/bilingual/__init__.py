"""Sentences in English and Chinese by a grammar drawn from a key: HW5 translates them, HW2 and HW4 hear the English."""
