"""Telegram: long polling in, plain text with entities out."""
