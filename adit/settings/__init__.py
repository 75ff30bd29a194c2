"""Settings, chosen by the environment variable ENVIRONMENT (development, production, test)."""

from pathlib import Path

from adit.settings import env

env.load_dotenv(Path(__file__).resolve().parents[2] / ".env")

_environment = env.choice("ENVIRONMENT", "development", ["development", "production", "test"])

if _environment == "production":
    from adit.settings.production import *  # noqa: F403
elif _environment == "test":
    from adit.settings.test import *  # noqa: F403
else:
    from adit.settings.development import *  # noqa: F403
