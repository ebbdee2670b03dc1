"""Announcements: to everybody once, slowly, behind all answers, and through every death."""
