"""The recipe of the bundled model: corpus, augmentation, tokenizer, network, training, export, evaluation.

``python -m models.lkjsxclm train`` re-makes ``models/lkjsxclm-q8_0.gguf``; ``... evaluate`` scores it.
"""
