"""The page on which an operator changes an application of Discord."""

PORTAL = "https://discord.com/developers/applications"
WRONG_TOKEN = (
    f"DISCORD_TOKEN is not accepted: copy it again from {PORTAL}"
    " (your application, Bot, Reset Token)"
)
